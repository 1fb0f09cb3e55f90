-- Policy edgewatch/daily for "public"."daily_counts" as of 2026-11-22T03:00:00Z.  Stop at the first error.
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
INSERT INTO partition_controller.tables AS t (table_oid, policy_namespace, policy_name, schema_name, table_name, owner_name, database_oid, system_identifier, time_column, cluster_uid, retention_keep, retention_action, retention_due, term, holder, acted_at) VALUES (16400, 'edgewatch', 'daily', 'public', 'daily_counts', 'edgewatch', 16384, '7301234567890123456', 'day', NULL, '7d', 'Drop', '{17933}', pg_catalog.nextval('partition_controller.terms'), 'psql', pg_catalog.clock_timestamp()) ON CONFLICT (table_oid) DO UPDATE SET term = EXCLUDED.term, holder = EXCLUDED.holder, acted_at = EXCLUDED.acted_at, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, time_column = EXCLUDED.time_column, cluster_uid = EXCLUDED.cluster_uid, retention_keep = EXCLUDED.retention_keep, retention_action = EXCLUDED.retention_action, retention_due = EXCLUDED.retention_due WHERE t.policy_namespace = EXCLUDED.policy_namespace AND t.policy_name = EXCLUDED.policy_name AND (t.holder = EXCLUDED.holder OR t.acted_at < pg_catalog.clock_timestamp() - interval '2000 milliseconds') RETURNING t.term \gset partition_controller_
COMMIT;

-- create default partition "public"."daily_counts_default"
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
CREATE TABLE "public"."daily_counts_default" (LIKE "public"."daily_counts" INCLUDING ALL EXCLUDING IDENTITY);
LOCK TABLE ONLY "public"."daily_counts" IN SHARE UPDATE EXCLUSIVE MODE;
ALTER TABLE "public"."daily_counts" ATTACH PARTITION "public"."daily_counts_default" DEFAULT;
COMMIT;

-- state the bounds of "public"."daily_counts_p20261113" as a CHECK
-- because: so that it can be attached again without a scan
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
LOCK TABLE ONLY "public"."daily_counts_p20261113" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."daily_counts_p20261113" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."daily_counts_p20261113"') IS DISTINCT FROM 17933::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 17933 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'FOR VALUES FROM (''2026-11-13'') TO (''2026-11-14'')') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."daily_counts_p20261113" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "public"."daily_counts_p20261113" ADD CONSTRAINT partition_controller_bounds CHECK ("day" >= '2026-11-13'::date AND "day" < '2026-11-14'::date) NOT VALID;
COMMIT;

-- validate the bounds of "public"."daily_counts_p20261113"
-- because: so that it can be attached again without a scan
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
ALTER TABLE "public"."daily_counts_p20261113" VALIDATE CONSTRAINT partition_controller_bounds;
COMMIT;

-- detach "public"."daily_counts_p20261113" [2026-11-13T00:00:00Z, 2026-11-14T00:00:00Z), to be dropped 24 h later
-- because: ends at 2026-11-14T00:00:00Z, before the cutoff 2026-11-14T22:00:00Z (keep 7d)
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
LOCK TABLE ONLY "public"."daily_counts" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."daily_counts_default" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."daily_counts_p20261113" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."daily_counts" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."daily_counts_default" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."daily_counts_p20261113" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."daily_counts_p20261113"') IS DISTINCT FROM 17933::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 17933 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'FOR VALUES FROM (''2026-11-13'') TO (''2026-11-14'')') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."daily_counts_p20261113" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "public"."daily_counts" DETACH PARTITION "public"."daily_counts_p20261113";
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to, detached_at, drop_after) VALUES ('"public"."daily_counts_p20261113"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'detached', false, 'public', 'daily_counts_p20261113', '2026-11-13T00:00:00Z', '2026-11-14T00:00:00Z', pg_catalog.now(), pg_catalog.now() + pg_catalog.make_interval(secs => 86400000000 / 1e6)) ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'detached', schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = EXCLUDED.detached_at, drop_after = EXCLUDED.drop_after;
COMMIT;
