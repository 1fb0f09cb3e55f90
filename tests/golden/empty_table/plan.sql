-- Policy edgewatch/telemetry-points for "public"."telemetry_points" as of 2026-11-22T20:31:00Z.  Stop at the first error.
\set ON_ERROR_STOP on

-- The bookkeeping schema.
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
DO $pc$BEGIN
  IF pg_catalog.to_regnamespace('partition_controller') IS NULL THEN
    CREATE SCHEMA partition_controller;
    COMMENT ON SCHEMA partition_controller IS 'Bookkeeping of the partition controller. Do not drop: it holds the fencing terms and what is in its undo window.';
  END IF;
END$pc$;
CREATE TABLE IF NOT EXISTS partition_controller.version (version integer PRIMARY KEY);
CREATE TABLE IF NOT EXISTS partition_controller.settings (name text PRIMARY KEY, value text NOT NULL);
CREATE SEQUENCE IF NOT EXISTS partition_controller.terms;
CREATE TABLE IF NOT EXISTS partition_controller.tables (table_oid oid PRIMARY KEY, policy_namespace text NOT NULL, policy_name text NOT NULL, schema_name text NOT NULL, table_name text NOT NULL, owner_name text NOT NULL, database_oid oid NOT NULL, system_identifier text NOT NULL, claimed_at timestamptz NOT NULL DEFAULT pg_catalog.now(), analyzed_at timestamptz, term bigint NOT NULL, holder text NOT NULL, acted_at timestamptz NOT NULL);
ALTER TABLE partition_controller.tables ADD COLUMN IF NOT EXISTS retention_keep text, ADD COLUMN IF NOT EXISTS retention_action text DEFAULT 'Unrecorded', ADD COLUMN IF NOT EXISTS retention_due oid[], ADD COLUMN IF NOT EXISTS time_column text, ADD COLUMN IF NOT EXISTS cluster_uid text;
ALTER TABLE partition_controller.tables ALTER COLUMN retention_action DROP DEFAULT;
ALTER TABLE partition_controller.tables ADD COLUMN IF NOT EXISTS consent bigint NOT NULL DEFAULT 0;
CREATE TABLE IF NOT EXISTS partition_controller.partitions (partition_oid oid PRIMARY KEY, table_oid oid NOT NULL, state text NOT NULL CHECK (state IN ('attached', 'detached')), made_by_us boolean NOT NULL, schema_name text NOT NULL, table_name text NOT NULL, bound_from text NOT NULL, bound_to text NOT NULL, recorded_at timestamptz NOT NULL DEFAULT pg_catalog.now(), detached_at timestamptz, drop_after timestamptz);
CREATE INDEX IF NOT EXISTS partitions_table_oid_idx ON partition_controller.partitions (table_oid);
CREATE TABLE IF NOT EXISTS partition_controller.drains (table_oid oid PRIMARY KEY, mode text NOT NULL CHECK (mode IN ('move', 'promote')), target_oid oid NOT NULL, target_schema text NOT NULL, target_name text NOT NULL, bound_from text NOT NULL, bound_to text NOT NULL, started_at timestamptz NOT NULL DEFAULT pg_catalog.now());
CREATE TABLE IF NOT EXISTS partition_controller.conversions (plain_oid oid PRIMARY KEY, parent_oid oid NOT NULL UNIQUE, state text NOT NULL CHECK (state IN ('prepared', 'fenced', 'converted', 'reverting')), schema_name text NOT NULL, table_name text NOT NULL, parent_name text NOT NULL, history_name text NOT NULL, primary_key text NOT NULL, key_index text NOT NULL, cut text NOT NULL, shape text NOT NULL, no_way_back text NOT NULL DEFAULT '', started_at timestamptz NOT NULL DEFAULT pg_catalog.now(), changed_at timestamptz NOT NULL DEFAULT pg_catalog.now());
CREATE TABLE IF NOT EXISTS partition_controller.rollups (suffix text PRIMARY KEY, table_oid oid NOT NULL, name text NOT NULL, schema_name text NOT NULL, target_name text NOT NULL, target_oid oid NOT NULL, state text NOT NULL DEFAULT 'filling' CHECK (state IN ('filling', 'live', 'paused')), shape text NOT NULL, source text NOT NULL, filled_from timestamptz NOT NULL DEFAULT 'infinity', fill_step interval NOT NULL DEFAULT '6 hours', adopting boolean NOT NULL DEFAULT true, truncated boolean NOT NULL DEFAULT false, oldest_row timestamptz, points bigint NOT NULL DEFAULT 0, late_points bigint NOT NULL DEFAULT 0, skipped_values bigint NOT NULL DEFAULT 0, audited bigint NOT NULL DEFAULT 0, mismatches bigint NOT NULL DEFAULT 0, audited_at timestamptz, started_at timestamptz NOT NULL DEFAULT pg_catalog.now(), UNIQUE (table_oid, name));
ALTER TABLE partition_controller.rollups ADD COLUMN IF NOT EXISTS made_by_us boolean NOT NULL DEFAULT false;
ALTER TABLE partition_controller.rollups ADD COLUMN IF NOT EXISTS gone_before timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE partition_controller.rollups ADD COLUMN IF NOT EXISTS filled_down_to timestamptz NOT NULL DEFAULT '-infinity';
CREATE TABLE IF NOT EXISTS partition_controller.sealed (suffix text NOT NULL, partition_oid oid NOT NULL, by_rows boolean NOT NULL, range_from timestamptz NOT NULL, range_to timestamptz NOT NULL, sealed_at timestamptz NOT NULL DEFAULT pg_catalog.now(), PRIMARY KEY (suffix, partition_oid, by_rows));
CREATE TABLE IF NOT EXISTS partition_controller.proofs (suffix text NOT NULL, partition_oid oid NOT NULL, partition_name text NOT NULL, down_to timestamptz NOT NULL DEFAULT 'infinity', groups bigint NOT NULL DEFAULT 0, points bigint NOT NULL DEFAULT 0, total numeric NOT NULL DEFAULT 0, mismatches bigint NOT NULL DEFAULT 0, row_count bigint, first_row timestamptz, last_row timestamptz, proved_at timestamptz, PRIMARY KEY (suffix, partition_oid));
CREATE INDEX IF NOT EXISTS sealed_range ON partition_controller.sealed (suffix, range_to);
DELETE FROM partition_controller.version;
INSERT INTO partition_controller.version VALUES (7);
COMMIT;

-- Makes the policy the table's keeper, unless another one is at work on it.
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
INSERT INTO partition_controller.tables AS t (table_oid, policy_namespace, policy_name, schema_name, table_name, owner_name, database_oid, system_identifier, time_column, cluster_uid, retention_keep, retention_action, retention_due, term, holder, acted_at) VALUES (16400, 'edgewatch', 'telemetry-points', 'public', 'telemetry_points', 'edgewatch', 16384, '7301234567890123456', 'ts', NULL, '90d', 'Drop', '{}', pg_catalog.nextval('partition_controller.terms'), 'psql', pg_catalog.clock_timestamp()) ON CONFLICT (table_oid) DO UPDATE SET term = EXCLUDED.term, holder = EXCLUDED.holder, acted_at = EXCLUDED.acted_at, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, time_column = EXCLUDED.time_column, cluster_uid = EXCLUDED.cluster_uid, retention_keep = EXCLUDED.retention_keep, retention_action = EXCLUDED.retention_action, retention_due = EXCLUDED.retention_due WHERE t.policy_namespace = EXCLUDED.policy_namespace AND t.policy_name = EXCLUDED.policy_name AND (t.holder = EXCLUDED.holder OR t.acted_at < pg_catalog.clock_timestamp() - interval '2000 milliseconds') RETURNING t.term \gset partition_controller_
COMMIT;

-- create partition "public"."telemetry_points_p202611" for [2026-11-01T00:00:00Z, 2026-12-01T00:00:00Z)
-- because: the current period has no partition
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
CREATE TABLE "public"."telemetry_points_p202611" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202611";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202611" FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202611"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202611', '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202612" for [2026-12-01T00:00:00Z, 2027-01-01T00:00:00Z)
-- because: one of the 3 periods to be made ahead
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
CREATE TABLE "public"."telemetry_points_p202612" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202612";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202612" FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202612"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202612', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202701" for [2027-01-01T00:00:00Z, 2027-02-01T00:00:00Z)
-- because: one of the 3 periods to be made ahead
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
CREATE TABLE "public"."telemetry_points_p202701" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202701";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202701" FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202701"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202701', '2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202702" for [2027-02-01T00:00:00Z, 2027-03-01T00:00:00Z)
-- because: one of the 3 periods to be made ahead
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
CREATE TABLE "public"."telemetry_points_p202702" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202702";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202702" FOR VALUES FROM ('2027-02-01 00:00:00+00') TO ('2027-03-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202702"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202702', '2027-02-01T00:00:00Z', '2027-03-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202610" for [2026-10-01T00:00:00Z, 2026-11-01T00:00:00Z)
-- because: a gap between the oldest rows to be kept and now
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
CREATE TABLE "public"."telemetry_points_p202610" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202610";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202610" FOR VALUES FROM ('2026-10-01 00:00:00+00') TO ('2026-11-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202610"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202610', '2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202609" for [2026-09-01T00:00:00Z, 2026-10-01T00:00:00Z)
-- because: a gap between the oldest rows to be kept and now
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
CREATE TABLE "public"."telemetry_points_p202609" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202609";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202609" FOR VALUES FROM ('2026-09-01 00:00:00+00') TO ('2026-10-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202609"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202609', '2026-09-01T00:00:00Z', '2026-10-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202608" for [2026-08-01T00:00:00Z, 2026-09-01T00:00:00Z)
-- because: a gap between the oldest rows to be kept and now
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
CREATE TABLE "public"."telemetry_points_p202608" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202608";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202608" FOR VALUES FROM ('2026-08-01 00:00:00+00') TO ('2026-09-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202608"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202608', '2026-08-01T00:00:00Z', '2026-09-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create default partition "public"."telemetry_points_default"
-- because: defaultPartition is Keep, and rows outside all partitions would be refused
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
CREATE TABLE "public"."telemetry_points_default" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_default" DEFAULT;
COMMIT;

-- analyse "public"."telemetry_points"
-- because: the planner's statistics of the whole table are missing or of unknown age; autovacuum never refreshes them
BEGIN;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL row_security = off;
SET LOCAL client_min_messages = warning;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '2000ms';
SET LOCAL lock_timeout = '2000ms';
UPDATE partition_controller.tables SET acted_at = pg_catalog.clock_timestamp() WHERE table_oid = 16400 AND term = :partition_controller_term RETURNING term \gset partition_controller_
ANALYZE "public"."telemetry_points";
UPDATE partition_controller.tables SET analyzed_at = pg_catalog.now() WHERE table_oid = 16400;
COMMIT;
