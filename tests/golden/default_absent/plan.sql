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
INSERT INTO partition_controller.tables AS t (table_oid, policy_namespace, policy_name, schema_name, table_name, owner_name, database_oid, system_identifier, time_column, cluster_uid, retention_keep, retention_action, retention_due, term, holder, acted_at) VALUES (16400, 'edgewatch', 'telemetry-points', 'public', 'telemetry_points', 'edgewatch', 16384, '7301234567890123456', 'ts', NULL, '90d', 'Drop', '{}', pg_catalog.nextval('partition_controller.terms'), 'psql', pg_catalog.clock_timestamp()) ON CONFLICT (table_oid) DO UPDATE SET term = EXCLUDED.term, holder = EXCLUDED.holder, acted_at = EXCLUDED.acted_at, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, time_column = EXCLUDED.time_column, cluster_uid = EXCLUDED.cluster_uid, retention_keep = EXCLUDED.retention_keep, retention_action = EXCLUDED.retention_action, retention_due = EXCLUDED.retention_due WHERE t.policy_namespace = EXCLUDED.policy_namespace AND t.policy_name = EXCLUDED.policy_name AND (t.holder = EXCLUDED.holder OR t.acted_at < pg_catalog.clock_timestamp() - interval '2000 milliseconds') RETURNING t.term \gset partition_controller_
COMMIT;

-- drop the empty default partition "public"."telemetry_points_default"
-- because: defaultPartition is Absent, and it is empty
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
LOCK TABLE ONLY "public"."telemetry_points" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points_default"') IS DISTINCT FROM 16401::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16401 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_default" is no longer what the plan saw';
  END IF;
END$pc$;
DO $pc$BEGIN
  IF EXISTS (SELECT FROM "public"."telemetry_points_default") THEN
    RAISE EXCEPTION USING ERRCODE = 'PC002', MESSAGE = '"public"."telemetry_points_default" is not empty';
  END IF;
END$pc$;
DROP TABLE "public"."telemetry_points_default";
DELETE FROM partition_controller.partitions WHERE partition_oid = 16401;
COMMIT;
