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

-- divert new rows of [2026-11-20T00:00:00Z, 2026-12-01T00:00:00Z) from the default partition to "public"."telemetry_points_p20261120_20261201"
-- because: 20 rows of this period wait in the default partition
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
CREATE TABLE "public"."telemetry_points_p20261120_20261201" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ALTER TABLE "public"."telemetry_points_p20261120_20261201" ADD CONSTRAINT partition_controller_bounds CHECK ("ts" >= '2026-11-20 00:00:00+00'::timestamptz AND "ts" < '2026-12-01 00:00:00+00'::timestamptz);
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
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points_default"') IS DISTINCT FROM 16401::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16401 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_default" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points_p20261120_20261201" ADD FOREIGN KEY (device_id) REFERENCES public.devices(device_id);
ALTER TABLE "public"."telemetry_points_p20261120_20261201" ADD FOREIGN KEY (batch_id) REFERENCES public.ingestion_batches(id);
CREATE OR REPLACE FUNCTION partition_controller.divert_16400() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $pc$BEGIN
  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    DELETE FROM ONLY "public"."telemetry_points_default" WHERE ctid OPERATOR(pg_catalog.=) OLD.ctid;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'the row may not be moved by who may not delete it';
    END IF;
  END IF;
  INSERT INTO "public"."telemetry_points_p20261120_20261201" ("id", "message_id", "device_id", "batch_id", "ts", "metrics", "created_at") VALUES (NEW."id", NEW."message_id", NEW."device_id", NEW."batch_id", NEW."ts", NEW."metrics", NEW."created_at") ON CONFLICT DO NOTHING;
  IF NOT FOUND AND TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    RAISE EXCEPTION USING ERRCODE = 'unique_violation', MESSAGE = 'another row has that key';
  END IF;
  RETURN NULL;
END$pc$;
CREATE TRIGGER "partition_controller_divert" BEFORE INSERT OR UPDATE ON "public"."telemetry_points_default" FOR EACH ROW WHEN (NEW."ts" >= '2026-11-20 00:00:00+00'::timestamptz AND NEW."ts" < '2026-12-01 00:00:00+00'::timestamptz) EXECUTE FUNCTION partition_controller.divert_16400();
ALTER TABLE "public"."telemetry_points_default" ENABLE ALWAYS TRIGGER "partition_controller_divert";
ALTER TABLE "public"."telemetry_points_default" ADD CONSTRAINT partition_controller_drain CHECK ("ts" < '2026-11-20 00:00:00+00'::timestamptz OR "ts" >= '2026-12-01 00:00:00+00'::timestamptz) NOT VALID;
INSERT INTO partition_controller.drains (table_oid, mode, target_oid, target_schema, target_name, bound_from, bound_to) VALUES (16400, 'move', '"public"."telemetry_points_p20261120_20261201"'::pg_catalog.regclass::pg_catalog.oid, 'public', 'telemetry_points_p20261120_20261201', '2026-11-20T00:00:00Z', '2026-12-01T00:00:00Z');
COMMIT;

-- move about 20 rows from the default partition to "public"."telemetry_points_p20261120_20261201" and attach it for [2026-11-20T00:00:00Z, 2026-12-01T00:00:00Z)
-- because: 20 rows of this period wait in the default partition
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
WITH moved AS (DELETE FROM ONLY "public"."telemetry_points_default" WHERE "ts" >= '2026-11-20 00:00:00+00'::timestamptz AND "ts" < '2026-12-01 00:00:00+00'::timestamptz RETURNING "id", "message_id", "device_id", "batch_id", "ts", "metrics", "created_at") INSERT INTO "public"."telemetry_points_p20261120_20261201" ("id", "message_id", "device_id", "batch_id", "ts", "metrics", "created_at") SELECT "id", "message_id", "device_id", "batch_id", "ts", "metrics", "created_at" FROM moved ON CONFLICT DO NOTHING;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE "public"."telemetry_points_default" VALIDATE CONSTRAINT partition_controller_drain;
ANALYZE "public"."telemetry_points_p20261120_20261201";
LOCK TABLE ONLY "public"."telemetry_points" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN SHARE UPDATE EXCLUSIVE MODE;
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
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points_default"') IS DISTINCT FROM 16401::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16401 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_default" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p20261120_20261201" FOR VALUES FROM ('2026-11-20 00:00:00+00') TO ('2026-12-01 00:00:00+00');
DROP TRIGGER partition_controller_divert ON "public"."telemetry_points_default";
ALTER TABLE "public"."telemetry_points_default" DROP CONSTRAINT partition_controller_drain;
ALTER TABLE "public"."telemetry_points_p20261120_20261201" DROP CONSTRAINT partition_controller_bounds;
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p20261120_20261201"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p20261120_20261201', '2026-11-20T00:00:00Z', '2026-12-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
DROP FUNCTION partition_controller.divert_16400();
DELETE FROM partition_controller.drains WHERE table_oid = 16400;
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
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p202612" FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202612"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p202612', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p20270101_20270110" for [2027-01-01T00:00:00Z, 2027-01-10T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p20270101_20270110" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p20270101_20270110";
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
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p20270101_20270110" FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-01-10 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p20270101_20270110"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p20270101_20270110', '2027-01-01T00:00:00Z', '2027-01-10T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p20270120_20270201" for [2027-01-20T00:00:00Z, 2027-02-01T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p20270120_20270201" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p20270120_20270201";
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
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p20270120_20270201" FOR VALUES FROM ('2027-01-20 00:00:00+00') TO ('2027-02-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p20270120_20270201"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p20270120_20270201', '2027-01-20T00:00:00Z', '2027-02-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "public"."telemetry_points_p20270201_20270215" for [2027-02-01T00:00:00Z, 2027-02-15T00:00:00Z)
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
CREATE TABLE "public"."telemetry_points_p20270201_20270215" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING IDENTITY);
ANALYZE "public"."telemetry_points_p20270201_20270215";
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
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_p20270201_20270215" FOR VALUES FROM ('2027-02-01 00:00:00+00') TO ('2027-02-15 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p20270201_20270215"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'public', 'telemetry_points_p20270201_20270215', '2027-02-01T00:00:00Z', '2027-02-15T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- delete rows before 2026-08-24T20:31:00Z from "public"."telemetry_points_history"
-- because: rows older than 90d; the history partition expires row by row
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
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points_history"') IS DISTINCT FROM 16901::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16901 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'FOR VALUES FROM (MINVALUE) TO (''2026-10-01 00:00:00+00'')') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points_history" is no longer what the plan saw';
  END IF;
END$pc$;
DELETE FROM ONLY "public"."telemetry_points_history" WHERE "ts" < '2026-08-24 20:31:00+00'::timestamptz;
COMMIT;
