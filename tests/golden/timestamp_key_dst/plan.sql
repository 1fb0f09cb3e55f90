-- Policy edgewatch/readings for "public"."readings" as of 2026-10-25T00:30:00Z.  Stop at the first error.
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
INSERT INTO partition_controller.tables AS t (table_oid, policy_namespace, policy_name, schema_name, table_name, owner_name, database_oid, system_identifier, time_column, cluster_uid, retention_keep, retention_action, retention_due, term, holder, acted_at) VALUES (16400, 'edgewatch', 'readings', 'public', 'readings', 'edgewatch', 16384, '7301234567890123456', 'at', NULL, '2d', 'Drop', '{17911}', pg_catalog.nextval('partition_controller.terms'), 'psql', pg_catalog.clock_timestamp()) ON CONFLICT (table_oid) DO UPDATE SET term = EXCLUDED.term, holder = EXCLUDED.holder, acted_at = EXCLUDED.acted_at, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, time_column = EXCLUDED.time_column, cluster_uid = EXCLUDED.cluster_uid, retention_keep = EXCLUDED.retention_keep, retention_action = EXCLUDED.retention_action, retention_due = EXCLUDED.retention_due WHERE t.policy_namespace = EXCLUDED.policy_namespace AND t.policy_name = EXCLUDED.policy_name AND (t.holder = EXCLUDED.holder OR t.acted_at < pg_catalog.clock_timestamp() - interval '2000 milliseconds') RETURNING t.term \gset partition_controller_
COMMIT;

-- divert new rows of [2026-10-27T00:00:00Z, 2026-10-28T00:00:00Z) from the default partition to "public"."readings_p20261027"
-- because: 3 rows of this period wait in the default partition
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
CREATE TABLE "public"."readings_p20261027" (LIKE "public"."readings" INCLUDING ALL EXCLUDING IDENTITY);
ALTER TABLE "public"."readings_p20261027" ADD CONSTRAINT partition_controller_bounds CHECK ("at" >= '2026-10-27 00:00:00'::timestamp AND "at" < '2026-10-28 00:00:00'::timestamp);
LOCK TABLE ONLY "public"."readings_default" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings_default" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."readings_default"') IS DISTINCT FROM 16401::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16401 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."readings_default" is no longer what the plan saw';
  END IF;
END$pc$;
CREATE OR REPLACE FUNCTION partition_controller.divert_16400() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $pc$BEGIN
  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    DELETE FROM ONLY "public"."readings_default" WHERE ctid OPERATOR(pg_catalog.=) OLD.ctid;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'the row may not be moved by who may not delete it';
    END IF;
  END IF;
  INSERT INTO "public"."readings_p20261027" ("at", "value") VALUES (NEW."at", NEW."value") ON CONFLICT DO NOTHING;
  IF NOT FOUND AND TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    RAISE EXCEPTION USING ERRCODE = 'unique_violation', MESSAGE = 'another row has that key';
  END IF;
  RETURN NULL;
END$pc$;
CREATE TRIGGER "partition_controller_divert" BEFORE INSERT OR UPDATE ON "public"."readings_default" FOR EACH ROW WHEN (NEW."at" >= '2026-10-27 00:00:00'::timestamp AND NEW."at" < '2026-10-28 00:00:00'::timestamp) EXECUTE FUNCTION partition_controller.divert_16400();
ALTER TABLE "public"."readings_default" ENABLE ALWAYS TRIGGER "partition_controller_divert";
ALTER TABLE "public"."readings_default" ADD CONSTRAINT partition_controller_drain CHECK ("at" < '2026-10-27 00:00:00'::timestamp OR "at" >= '2026-10-28 00:00:00'::timestamp) NOT VALID;
INSERT INTO partition_controller.drains (table_oid, mode, target_oid, target_schema, target_name, bound_from, bound_to) VALUES (16400, 'move', '"public"."readings_p20261027"'::pg_catalog.regclass::pg_catalog.oid, 'public', 'readings_p20261027', '2026-10-27T00:00:00Z', '2026-10-28T00:00:00Z');
COMMIT;

-- move about 3 rows from the default partition to "public"."readings_p20261027" and attach it for [2026-10-27T00:00:00Z, 2026-10-28T00:00:00Z)
-- because: 3 rows of this period wait in the default partition
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
WITH moved AS (DELETE FROM ONLY "public"."readings_default" WHERE "at" >= '2026-10-27 00:00:00'::timestamp AND "at" < '2026-10-28 00:00:00'::timestamp RETURNING "at", "value") INSERT INTO "public"."readings_p20261027" ("at", "value") SELECT "at", "value" FROM moved ON CONFLICT DO NOTHING;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE "public"."readings_default" VALIDATE CONSTRAINT partition_controller_drain;
ANALYZE "public"."readings_p20261027";
LOCK TABLE ONLY "public"."readings" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings_default" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings_default" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."readings_default"') IS DISTINCT FROM 16401::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16401 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."readings_default" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "public"."readings" ATTACH PARTITION "public"."readings_p20261027" FOR VALUES FROM ('2026-10-27 00:00:00') TO ('2026-10-28 00:00:00');
DROP TRIGGER partition_controller_divert ON "public"."readings_default";
ALTER TABLE "public"."readings_default" DROP CONSTRAINT partition_controller_drain;
ALTER TABLE "public"."readings_p20261027" DROP CONSTRAINT partition_controller_bounds;
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."readings_p20261027"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'readings_p20261027', '2026-10-27T00:00:00Z', '2026-10-28T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
DROP FUNCTION partition_controller.divert_16400();
DELETE FROM partition_controller.drains WHERE table_oid = 16400;
COMMIT;

-- state the bounds of "public"."readings_p20261022" as a CHECK
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
LOCK TABLE ONLY "public"."readings_p20261022" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings_p20261022" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."readings_p20261022"') IS DISTINCT FROM 17911::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 17911 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'FOR VALUES FROM (''2026-10-22 00:00:00'') TO (''2026-10-23 00:00:00'')') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."readings_p20261022" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "public"."readings_p20261022" ADD CONSTRAINT partition_controller_bounds CHECK ("at" >= '2026-10-22 00:00:00'::timestamp AND "at" < '2026-10-23 00:00:00'::timestamp) NOT VALID;
COMMIT;

-- validate the bounds of "public"."readings_p20261022"
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
ALTER TABLE "public"."readings_p20261022" VALIDATE CONSTRAINT partition_controller_bounds;
COMMIT;

-- detach "public"."readings_p20261022" [2026-10-22T00:00:00Z, 2026-10-23T00:00:00Z), to be dropped 24 h later
-- because: ends at 2026-10-23T00:00:00Z, before the cutoff 2026-10-23T02:30:00Z (keep 2d)
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
LOCK TABLE ONLY "public"."readings" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings_default" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings_p20261022" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings_default" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."readings_p20261022" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."readings_p20261022"') IS DISTINCT FROM 17911::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 17911 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'FOR VALUES FROM (''2026-10-22 00:00:00'') TO (''2026-10-23 00:00:00'')') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."readings_p20261022" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "public"."readings" DETACH PARTITION "public"."readings_p20261022";
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to, detached_at, drop_after) VALUES ('"public"."readings_p20261022"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'detached', false, 'public', 'readings_p20261022', '2026-10-22T00:00:00Z', '2026-10-23T00:00:00Z', pg_catalog.now(), pg_catalog.now() + pg_catalog.make_interval(secs => 86400000000 / 1e6)) ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'detached', schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = EXCLUDED.detached_at, drop_after = EXCLUDED.drop_after;
COMMIT;
