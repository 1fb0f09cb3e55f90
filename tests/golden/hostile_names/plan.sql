-- Policy edgewatch/telemetry-points for "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" as of 2026-11-22T20:31:00Z.  Stop at the first error.
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
INSERT INTO partition_controller.tables AS t (table_oid, policy_namespace, policy_name, schema_name, table_name, owner_name, database_oid, system_identifier, time_column, cluster_uid, retention_keep, retention_action, retention_due, term, holder, acted_at) VALUES (16400, 'edgewatch', 'telemetry-points', 'my "schema"', 'üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc', 'o"mega; --', 16384, '7301234567890123456', 'tïme "x"', NULL, '90d', 'Drop', '{16006,16007}', pg_catalog.nextval('partition_controller.terms'), 'psql', pg_catalog.clock_timestamp()) ON CONFLICT (table_oid) DO UPDATE SET term = EXCLUDED.term, holder = EXCLUDED.holder, acted_at = EXCLUDED.acted_at, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, time_column = EXCLUDED.time_column, cluster_uid = EXCLUDED.cluster_uid, retention_keep = EXCLUDED.retention_keep, retention_action = EXCLUDED.retention_action, retention_due = EXCLUDED.retention_due WHERE t.policy_namespace = EXCLUDED.policy_namespace AND t.policy_name = EXCLUDED.policy_name AND (t.holder = EXCLUDED.holder OR t.acted_at < pg_catalog.clock_timestamp() - interval '2000 milliseconds') RETURNING t.term \gset partition_controller_
COMMIT;

-- divert new rows of [2026-11-01T00:00:00Z, 2026-12-01T00:00:00Z) from the default partition to "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611"
-- because: 7 rows of this period wait in the default partition
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
CREATE TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" (LIKE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" INCLUDING ALL EXCLUDING IDENTITY) TABLESPACE "fast ""disk""";
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" SET ("fillfactor" = '70');
GRANT SELECT ON "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" TO "re ader";
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" ADD CONSTRAINT partition_controller_bounds CHECK ("tïme ""x""" >= '2026-11-01 00:00:00+00'::timestamptz AND "tïme ""x""" < '2026-12-01 00:00:00+00'::timestamptz);
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"other
schema"."t$$"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "other
schema"."t$$" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"my ""schema"""."[31md"') IS DISTINCT FROM 16401::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16401 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"my ""schema"""."[31md" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" ADD FOREIGN KEY (id) REFERENCES "other
schema"."t$$"(id);
CREATE OR REPLACE FUNCTION partition_controller.divert_16400() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $pc$BEGIN
  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    DELETE FROM ONLY "my ""schema"""."[31md" WHERE ctid OPERATOR(pg_catalog.=) OLD.ctid;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'the row may not be moved by who may not delete it';
    END IF;
  END IF;
  INSERT INTO "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" ("id", "a""b;c
'd\e	$$f$1$ü", "tïme ""x""") VALUES (NEW."id", NEW."a""b;c
'd\e	$$f$1$ü", NEW."tïme ""x""") ON CONFLICT DO NOTHING;
  IF NOT FOUND AND TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    RAISE EXCEPTION USING ERRCODE = 'unique_violation', MESSAGE = 'another row has that key';
  END IF;
  RETURN NULL;
END$pc$;
CREATE TRIGGER "partition_controller_divert" BEFORE INSERT OR UPDATE ON "my ""schema"""."[31md" FOR EACH ROW WHEN (NEW."tïme ""x""" >= '2026-11-01 00:00:00+00'::timestamptz AND NEW."tïme ""x""" < '2026-12-01 00:00:00+00'::timestamptz) EXECUTE FUNCTION partition_controller.divert_16400();
ALTER TABLE "my ""schema"""."[31md" ENABLE ALWAYS TRIGGER "partition_controller_divert";
ALTER TABLE "my ""schema"""."[31md" ADD CONSTRAINT partition_controller_drain CHECK ("tïme ""x""" < '2026-11-01 00:00:00+00'::timestamptz OR "tïme ""x""" >= '2026-12-01 00:00:00+00'::timestamptz) NOT VALID;
INSERT INTO partition_controller.drains (table_oid, mode, target_oid, target_schema, target_name, bound_from, bound_to) VALUES (16400, 'move', '"my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611"'::pg_catalog.regclass::pg_catalog.oid, 'my "schema"', 'üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611', '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z');
COMMIT;

-- move about 7 rows from the default partition to "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" and attach it for [2026-11-01T00:00:00Z, 2026-12-01T00:00:00Z)
-- because: 7 rows of this period wait in the default partition
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
WITH moved AS (DELETE FROM ONLY "my ""schema"""."[31md" WHERE "tïme ""x""" >= '2026-11-01 00:00:00+00'::timestamptz AND "tïme ""x""" < '2026-12-01 00:00:00+00'::timestamptz RETURNING "id", "a""b;c
'd\e	$$f$1$ü", "tïme ""x""") INSERT INTO "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" ("id", "a""b;c
'd\e	$$f$1$ü", "tïme ""x""") SELECT "id", "a""b;c
'd\e	$$f$1$ü", "tïme ""x""" FROM moved ON CONFLICT DO NOTHING;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE "my ""schema"""."[31md" VALIDATE CONSTRAINT partition_controller_drain;
ANALYZE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611";
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"other
schema"."t$$"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "other
schema"."t$$" IN SHARE UPDATE EXCLUSIVE MODE;
  END IF;
END$pc$;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"other
schema"."t$$"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "other
schema"."t$$" IN ACCESS EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"my ""schema"""."[31md"') IS DISTINCT FROM 16401::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16401 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"my ""schema"""."[31md" is no longer what the plan saw';
  END IF;
END$pc$;
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" ATTACH PARTITION "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" FOR VALUES FROM ('2026-11-01 00:00:00+00') TO ('2026-12-01 00:00:00+00');
DROP TRIGGER partition_controller_divert ON "my ""schema"""."[31md";
ALTER TABLE "my ""schema"""."[31md" DROP CONSTRAINT partition_controller_drain;
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611" DROP CONSTRAINT partition_controller_bounds;
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'my "schema"', 'üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202611', '2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
DROP FUNCTION partition_controller.divert_16400();
DELETE FROM partition_controller.drains WHERE table_oid = 16400;
COMMIT;

-- create partition "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202612" for [2026-12-01T00:00:00Z, 2027-01-01T00:00:00Z)
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
CREATE TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202612" (LIKE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" INCLUDING ALL EXCLUDING IDENTITY) TABLESPACE "fast ""disk""";
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202612" SET ("fillfactor" = '70');
GRANT SELECT ON "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202612" TO "re ader";
ANALYZE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202612";
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"other
schema"."t$$"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "other
schema"."t$$" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" ATTACH PARTITION "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202612" FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202612"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'my "schema"', 'üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202612', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202701" for [2027-01-01T00:00:00Z, 2027-02-01T00:00:00Z)
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
CREATE TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202701" (LIKE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" INCLUDING ALL EXCLUDING IDENTITY) TABLESPACE "fast ""disk""";
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202701" SET ("fillfactor" = '70');
GRANT SELECT ON "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202701" TO "re ader";
ANALYZE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202701";
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"other
schema"."t$$"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "other
schema"."t$$" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" ATTACH PARTITION "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202701" FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202701"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'my "schema"', 'üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202701', '2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202702" for [2027-02-01T00:00:00Z, 2027-03-01T00:00:00Z)
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
CREATE TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202702" (LIKE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" INCLUDING ALL EXCLUDING IDENTITY) TABLESPACE "fast ""disk""";
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202702" SET ("fillfactor" = '70');
GRANT SELECT ON "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202702" TO "re ader";
ANALYZE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202702";
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"other
schema"."t$$"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "other
schema"."t$$" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" ATTACH PARTITION "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202702" FOR VALUES FROM ('2027-02-01 00:00:00+00') TO ('2027-03-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202702"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'my "schema"', 'üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202702', '2027-02-01T00:00:00Z', '2027-03-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202610" for [2026-10-01T00:00:00Z, 2026-11-01T00:00:00Z)
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
CREATE TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202610" (LIKE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" INCLUDING ALL EXCLUDING IDENTITY) TABLESPACE "fast ""disk""";
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202610" SET ("fillfactor" = '70');
GRANT SELECT ON "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202610" TO "re ader";
ANALYZE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202610";
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"other
schema"."t$$"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "other
schema"."t$$" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" ATTACH PARTITION "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202610" FOR VALUES FROM ('2026-10-01 00:00:00+00') TO ('2026-11-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202610"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'my "schema"', 'üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202610', '2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- create partition "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202609" for [2026-09-01T00:00:00Z, 2026-10-01T00:00:00Z)
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
CREATE TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202609" (LIKE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" INCLUDING ALL EXCLUDING IDENTITY) TABLESPACE "fast ""disk""";
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202609" SET ("fillfactor" = '70');
GRANT SELECT ON "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202609" TO "re ader";
ANALYZE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202609";
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.has_table_privilege('"other
schema"."t$$"', 'UPDATE, DELETE, TRUNCATE') THEN
    LOCK TABLE ONLY "other
schema"."t$$" IN SHARE ROW EXCLUSIVE MODE;
  END IF;
END$pc$;
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
ALTER TABLE "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" ATTACH PARTITION "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202609" FOR VALUES FROM ('2026-09-01 00:00:00+00') TO ('2026-10-01 00:00:00+00');
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202609"'::pg_catalog.regclass::pg_catalog.oid, 16400, 'attached', true, 'my "schema"', 'üüüüüüüüüüüüüüüüüüüüüüü_7928eafb_p202609', '2026-09-01T00:00:00Z', '2026-10-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
COMMIT;

-- drop partition "my ""schema"""."a""b;c?'d\e?$$f$1$ü_0" [2026-06-01T00:00:00Z, 2026-07-01T00:00:00Z)
-- because: ends at 2026-07-01T00:00:00Z, before the cutoff 2026-08-24T20:31:00Z (keep 90d)
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
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."a""b;c
'd\e	$$f$1$ü_0" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."a""b;c
'd\e	$$f$1$ü_0" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass(E'"my ""schema"""."a""b;c
''d\\e	$$f$1$ü_0"') IS DISTINCT FROM 16006::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16006 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'FOR VALUES FROM (''2026-06-01 00:00:00+00'') TO (''2026-07-01 00:00:00+00'')') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = E'"my ""schema"""."a""b;c
''d\\e	$$f$1$ü_0" is no longer what the plan saw';
  END IF;
END$pc$;
DROP TABLE "my ""schema"""."a""b;c
'd\e	$$f$1$ü_0";
DELETE FROM partition_controller.partitions WHERE partition_oid = 16006;
COMMIT;

-- drop partition "my ""schema"""."a""b;c?'d\e?$$f$1$ü_1" [2026-07-01T00:00:00Z, 2026-08-01T00:00:00Z)
-- because: ends at 2026-08-01T00:00:00Z, before the cutoff 2026-08-24T20:31:00Z (keep 90d)
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
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."a""b;c
'd\e	$$f$1$ü_1" IN SHARE UPDATE EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüabc" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."[31md" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "my ""schema"""."a""b;c
'd\e	$$f$1$ü_1" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass(E'"my ""schema"""."a""b;c
''d\\e	$$f$1$ü_1"') IS DISTINCT FROM 16007::pg_catalog.oid::pg_catalog.regclass OR NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = 16007 AND i.inhparent = 16400 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'FOR VALUES FROM (''2026-07-01 00:00:00+00'') TO (''2026-08-01 00:00:00+00'')') THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = E'"my ""schema"""."a""b;c
''d\\e	$$f$1$ü_1" is no longer what the plan saw';
  END IF;
END$pc$;
DROP TABLE "my ""schema"""."a""b;c
'd\e	$$f$1$ü_1";
DELETE FROM partition_controller.partitions WHERE partition_oid = 16007;
COMMIT;
