-- Policy edgewatch/telemetry-points for "public"."telemetry_points" as of 2026-11-22T20:31:00Z.  Stop at the first error.
\set ON_ERROR_STOP on

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
INSERT INTO partition_controller.tables AS t (table_oid, policy_namespace, policy_name, schema_name, table_name, owner_name, database_oid, system_identifier, time_column, cluster_uid, retention_keep, retention_action, retention_due, term, holder, acted_at) VALUES (16400, 'edgewatch', 'telemetry-points', 'public', 'telemetry_points', 'edgewatch', 16384, '7301234567890123456', 'ts', NULL, '1y', 'Drop', '{}', pg_catalog.nextval('partition_controller.terms'), 'psql', pg_catalog.clock_timestamp()) ON CONFLICT (table_oid) DO UPDATE SET term = EXCLUDED.term, holder = EXCLUDED.holder, acted_at = EXCLUDED.acted_at, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, time_column = EXCLUDED.time_column, cluster_uid = EXCLUDED.cluster_uid, retention_keep = EXCLUDED.retention_keep, retention_action = EXCLUDED.retention_action, retention_due = EXCLUDED.retention_due WHERE t.policy_namespace = EXCLUDED.policy_namespace AND t.policy_name = EXCLUDED.policy_name AND (t.holder = EXCLUDED.holder OR t.acted_at < pg_catalog.clock_timestamp() - interval '2000 milliseconds') RETURNING t.term \gset partition_controller_
COMMIT;

-- attach "public"."telemetry_points_p202605" again for [2026-05-01T00:00:00Z, 2026-06-01T00:00:00Z)
-- because: the policy keeps its range again
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_p202605" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE UPDATE EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE UPDATE EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN ACCESS EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN ACCESS EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_p202605" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points_p202605"') IS DISTINCT FROM 16005::pg_catalog.oid::pg_catalog.regclass THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_p202605" is no longer what the plan saw';
  END IF;
END$pc$;
DO $pc$BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = 16005) OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 16005 AND conname = 'partition_controller_bounds' AND convalidated) THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_p202605" is no longer a detached table of ours';
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202605" FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('2026-06-01 00:00:00+00');
ALTER TABLE "public"."telemetry_points_p202605" DROP CONSTRAINT partition_controller_bounds;
UPDATE partition_controller.partitions SET state = 'attached', detached_at = NULL, drop_after = NULL WHERE partition_oid = '"public"."telemetry_points_p202605"'::pg_catalog.regclass::pg_catalog.oid;
COMMIT;

-- state the bounds of "public"."telemetry_points_p202606" as a CHECK
-- because: the policy keeps its range again, and its CHECK is gone
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
LOCK TABLE ONLY "public"."telemetry_points_p202606" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_p202606" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points_p202606"') IS DISTINCT FROM 16006::pg_catalog.oid::pg_catalog.regclass THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_p202606" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points_p202606" ADD CONSTRAINT partition_controller_bounds CHECK ("ts" >= '2026-06-01 00:00:00+00'::timestamptz AND "ts" < '2026-07-01 00:00:00+00'::timestamptz) NOT VALID;
COMMIT;

-- validate the bounds of "public"."telemetry_points_p202606"
-- because: the policy keeps its range again; so that attaching it scans nothing under lock
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
ALTER TABLE "public"."telemetry_points_p202606" VALIDATE CONSTRAINT partition_controller_bounds;
COMMIT;

-- attach "public"."telemetry_points_p202606" again for [2026-06-01T00:00:00Z, 2026-07-01T00:00:00Z)
-- because: the policy keeps its range again
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_p202606" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE UPDATE EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE UPDATE EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN ACCESS EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN ACCESS EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_p202606" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points_p202606"') IS DISTINCT FROM 16006::pg_catalog.oid::pg_catalog.regclass THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_p202606" is no longer what the plan saw';
  END IF;
END$pc$;
DO $pc$BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = 16006) OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 16006 AND conname = 'partition_controller_bounds' AND convalidated) THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_p202606" is no longer a detached table of ours';
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202606" FOR VALUES FROM ('2026-06-01 00:00:00+00') TO ('2026-07-01 00:00:00+00');
ALTER TABLE "public"."telemetry_points_p202606" DROP CONSTRAINT partition_controller_bounds;
UPDATE partition_controller.partitions SET state = 'attached', detached_at = NULL, drop_after = NULL WHERE partition_oid = '"public"."telemetry_points_p202606"'::pg_catalog.regclass::pg_catalog.oid;
COMMIT;

-- attach "public"."telemetry_points_p202607" again for [2026-07-01T00:00:00Z, 2026-08-01T00:00:00Z)
-- because: the policy keeps its range again
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_p202607" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN SHARE UPDATE EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN SHARE UPDATE EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."devices"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."devices" IN ACCESS EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"public"."ingestion_batches"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "public"."ingestion_batches" IN ACCESS EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_p202607" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points_p202607"') IS DISTINCT FROM 16007::pg_catalog.oid::pg_catalog.regclass THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_p202607" is no longer what the plan saw';
  END IF;
END$pc$;
DO $pc$BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = 16007) OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 16007 AND conname = 'partition_controller_bounds' AND convalidated) THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_p202607" is no longer a detached table of ours';
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202607" FOR VALUES FROM ('2026-07-01 00:00:00+00') TO ('2026-08-01 00:00:00+00');
ALTER TABLE "public"."telemetry_points_p202607" DROP CONSTRAINT partition_controller_bounds;
UPDATE partition_controller.partitions SET state = 'attached', detached_at = NULL, drop_after = NULL WHERE partition_oid = '"public"."telemetry_points_p202607"'::pg_catalog.regclass::pg_catalog.oid;
COMMIT;

-- create partition "public"."telemetry_points_p202604" for [2026-04-01T00:00:00Z, 2026-05-01T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p202604" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202604";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202604" FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202604"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202604', '2026-04-01T00:00:00Z', '2026-05-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202603" for [2026-03-01T00:00:00Z, 2026-04-01T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p202603" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202603";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202603" FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202603"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202603', '2026-03-01T00:00:00Z', '2026-04-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202602" for [2026-02-01T00:00:00Z, 2026-03-01T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p202602" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202602";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202602" FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202602"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202602', '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202601" for [2026-01-01T00:00:00Z, 2026-02-01T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p202601" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202601";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202601" FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202601"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202601', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202512" for [2025-12-01T00:00:00Z, 2026-01-01T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p202512" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202512";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202512" FOR VALUES FROM ('2025-12-01 00:00:00+00') TO ('2026-01-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202512"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202512', '2025-12-01T00:00:00Z', '2026-01-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p202511" for [2025-11-01T00:00:00Z, 2025-12-01T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p202511" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p202511";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
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
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202511" FOR VALUES FROM ('2025-11-01 00:00:00+00') TO ('2025-12-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202511"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202511', '2025-11-01T00:00:00Z', '2025-12-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;
