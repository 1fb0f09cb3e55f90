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
INSERT INTO partition_controller.tables AS t (table_oid, policy_namespace, policy_name, schema_name, table_name, owner_name, database_oid, system_identifier, time_column, cluster_uid, term, holder, acted_at) VALUES (16400, 'edgewatch', 'telemetry-points', 'public', 'telemetry_points', 'edgewatch', 16384, '7301234567890123456', 'ts', NULL, pg_catalog.nextval('partition_controller.terms'), 'psql', pg_catalog.clock_timestamp()) ON CONFLICT (table_oid) DO UPDATE SET term = EXCLUDED.term, holder = EXCLUDED.holder, acted_at = EXCLUDED.acted_at, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, time_column = EXCLUDED.time_column, cluster_uid = EXCLUDED.cluster_uid WHERE t.policy_namespace = EXCLUDED.policy_namespace AND t.policy_name = EXCLUDED.policy_name AND (t.holder = EXCLUDED.holder OR t.acted_at < pg_catalog.clock_timestamp() - interval '2000 milliseconds') RETURNING t.term \gset partition_controller_
COMMIT;

-- make the partitioned table "public"."telemetry_points_partitioned" beside "public"."telemetry_points", with a default partition and 3 partitions from 2026-12-01T00:00:00Z on
-- because: conversion is Online: the table becomes the partition of everything before 2026-12-01T00:00:00Z, and no row of it moves
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
SET LOCAL default_tablespace = '';
CREATE TABLE "public"."telemetry_points_partitioned" (LIKE "public"."telemetry_points" INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE ("ts");
COMMENT ON TABLE "public"."telemetry_points_partitioned" IS 'what the fleet sends';
ALTER TABLE "public"."telemetry_points_partitioned" ADD CONSTRAINT "telemetry_points_partitioned_idx1" PRIMARY KEY ("id", "ts");
CREATE INDEX "telemetry_points_partitioned_idx3" ON "public"."telemetry_points_partitioned" USING btree (device_id, ts);
CREATE INDEX "telemetry_points_partitioned_idx4" ON "public"."telemetry_points_partitioned" USING btree (batch_id);
CREATE INDEX "telemetry_points_partitioned_idx5" ON "public"."telemetry_points_partitioned" USING btree (ts);
CREATE TABLE "public"."telemetry_points_p202612" (LIKE "public"."telemetry_points_partitioned" INCLUDING ALL EXCLUDING IDENTITY);
GRANT SELECT ON "public"."telemetry_points_p202612" TO "dashboard";
CREATE UNIQUE INDEX ON "public"."telemetry_points_p202612" USING btree (device_id, message_id);
ALTER TABLE "public"."telemetry_points_partitioned" ATTACH PARTITION "public"."telemetry_points_p202612" FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');
ANALYZE "public"."telemetry_points_p202612";
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202612"'::pg_catalog.regclass::pg_catalog.oid, '"public"."telemetry_points_partitioned"'::pg_catalog.regclass::pg_catalog.oid, 'attached', true, 'public', 'telemetry_points_p202612', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
CREATE TABLE "public"."telemetry_points_p202701" (LIKE "public"."telemetry_points_partitioned" INCLUDING ALL EXCLUDING IDENTITY);
GRANT SELECT ON "public"."telemetry_points_p202701" TO "dashboard";
CREATE UNIQUE INDEX ON "public"."telemetry_points_p202701" USING btree (device_id, message_id);
ALTER TABLE "public"."telemetry_points_partitioned" ATTACH PARTITION "public"."telemetry_points_p202701" FOR VALUES FROM ('2027-01-01 00:00:00+00') TO ('2027-02-01 00:00:00+00');
ANALYZE "public"."telemetry_points_p202701";
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202701"'::pg_catalog.regclass::pg_catalog.oid, '"public"."telemetry_points_partitioned"'::pg_catalog.regclass::pg_catalog.oid, 'attached', true, 'public', 'telemetry_points_p202701', '2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
CREATE TABLE "public"."telemetry_points_p202702" (LIKE "public"."telemetry_points_partitioned" INCLUDING ALL EXCLUDING IDENTITY);
GRANT SELECT ON "public"."telemetry_points_p202702" TO "dashboard";
CREATE UNIQUE INDEX ON "public"."telemetry_points_p202702" USING btree (device_id, message_id);
ALTER TABLE "public"."telemetry_points_partitioned" ATTACH PARTITION "public"."telemetry_points_p202702" FOR VALUES FROM ('2027-02-01 00:00:00+00') TO ('2027-03-01 00:00:00+00');
ANALYZE "public"."telemetry_points_p202702";
INSERT INTO partition_controller.partitions (partition_oid, table_oid, state, made_by_us, schema_name, table_name, bound_from, bound_to) VALUES ('"public"."telemetry_points_p202702"'::pg_catalog.regclass::pg_catalog.oid, '"public"."telemetry_points_partitioned"'::pg_catalog.regclass::pg_catalog.oid, 'attached', true, 'public', 'telemetry_points_p202702', '2027-02-01T00:00:00Z', '2027-03-01T00:00:00Z') ON CONFLICT (partition_oid) DO UPDATE SET table_oid = EXCLUDED.table_oid, state = 'attached', made_by_us = true, schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name, bound_from = EXCLUDED.bound_from, bound_to = EXCLUDED.bound_to, detached_at = NULL, drop_after = NULL;
CREATE TABLE "public"."telemetry_points_default" (LIKE "public"."telemetry_points_partitioned" INCLUDING ALL EXCLUDING IDENTITY);
GRANT SELECT ON "public"."telemetry_points_default" TO "dashboard";
CREATE UNIQUE INDEX ON "public"."telemetry_points_default" USING btree (device_id, message_id);
ALTER TABLE "public"."telemetry_points_default" ADD CONSTRAINT partition_controller_bounds CHECK ("ts" >= '2026-12-01 00:00:00+00'::timestamptz);
ALTER TABLE "public"."telemetry_points_partitioned" ATTACH PARTITION "public"."telemetry_points_default" DEFAULT;
DO $pc$DECLARE grantee text;
BEGIN
  FOR grantee IN SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END FROM pg_catalog.pg_class c CROSS JOIN LATERAL (SELECT * FROM pg_catalog.aclexplode(c.relacl) UNION ALL SELECT e.* FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) e WHERE a.attrelid = c.oid) x WHERE c.oid = '"public"."telemetry_points_partitioned"'::pg_catalog.regclass AND x.grantee <> c.relowner LOOP
    EXECUTE pg_catalog.format('REVOKE ALL PRIVILEGES ON "public"."telemetry_points_partitioned" FROM %s CASCADE', grantee);
  END LOOP;
END$pc$;
GRANT SELECT ON "public"."telemetry_points_partitioned" TO "dashboard";
INSERT INTO partition_controller.conversions (plain_oid, parent_oid, state, schema_name, table_name, parent_name, history_name, primary_key, key_index, cut, shape) VALUES (16400, '"public"."telemetry_points_partitioned"'::pg_catalog.regclass::pg_catalog.oid, 'prepared', 'public', 'telemetry_points', 'telemetry_points_partitioned', 'telemetry_points_pmin_20261201', '["id"]', 'telemetry_points_key_with_time', '2026-12-01T00:00:00Z', '0123456789abcdef0123456789abcdef');
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
ALTER TABLE "public"."telemetry_points_partitioned" ADD CONSTRAINT "telemetry_points_device_id_fkey" FOREIGN KEY (device_id) REFERENCES public.devices(device_id);
ALTER TABLE "public"."telemetry_points_partitioned" ADD CONSTRAINT "telemetry_points_batch_id_fkey" FOREIGN KEY (batch_id) REFERENCES public.ingestion_batches(id);
COMMIT;

-- build the unique index "public"."telemetry_points_key_with_time" ("id", "ts") on "public"."telemetry_points" concurrently
-- because: the primary key gets the time column; needs about 457 MiB of disk, and reads the table once, 3.0 GiB (about 12000000 rows); readers and writers go on
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
COMMIT;
CREATE UNIQUE INDEX CONCURRENTLY "telemetry_points_key_with_time" ON "public"."telemetry_points" ("id", "ts");

-- divert new rows from 2026-12-01T00:00:00Z on from "public"."telemetry_points" to "public"."telemetry_points_partitioned"
-- because: rows beyond the cut must not reach the table any more; those that come now show once it is swapped
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
DO $pc$BEGIN
  IF (SELECT pg_catalog.md5(pg_catalog.string_agg(s.line, E'\n' ORDER BY s.line COLLATE "C")) FROM (SELECT pg_catalog.concat_ws(' ', 'column', a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, a.attstorage, a.attstattarget, a.attacl, a.attoptions, pg_catalog.pg_get_expr(d.adbin, d.adrelid)) AS line FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 16400 AND a.attnum > 0 AND NOT a.attisdropped UNION ALL SELECT pg_catalog.concat_ws(' ', 'constraint', conname, contype, convalidated, condeferrable, connoinherit, pg_catalog.pg_get_constraintdef(oid)) FROM pg_catalog.pg_constraint WHERE conrelid = 16400 AND contype <> 'n' AND conname <> 'partition_controller_fence' UNION ALL SELECT pg_catalog.concat_ws(' ', 'index', i.indexrelid, pg_catalog.pg_get_indexdef(i.indexrelid)) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid WHERE i.indrelid = 16400 AND c.relname NOT IN ('telemetry_points_key_with_time', 'telemetry_points_key_without_time') UNION ALL SELECT pg_catalog.concat_ws(' ', 'trigger', pg_catalog.pg_get_triggerdef(oid), tgenabled) FROM pg_catalog.pg_trigger WHERE tgrelid = 16400 AND NOT tgisinternal AND tgname <> '00_partition_controller_divert' AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace s ON s.oid = o.pronamespace WHERE o.oid = tgfoid AND s.nspname = 'partition_controller' AND o.proname LIKE 'mark\_%') UNION ALL SELECT pg_catalog.concat_ws(' ', 'policy', polname, polcmd, polpermissive, polroles, pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid)) FROM pg_catalog.pg_policy WHERE polrelid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'table', relname, relnamespace, relowner, relacl, relrowsecurity, relforcerowsecurity, relreplident, reloptions, relpersistence, reltablespace) FROM pg_catalog.pg_class WHERE oid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'comment', objsubid, description) FROM pg_catalog.pg_description WHERE objoid = 16400 AND classoid = 'pg_catalog.pg_class'::pg_catalog.regclass UNION ALL SELECT pg_catalog.concat_ws(' ', 'view', c.oid, c.relnamespace, c.relname, c.relowner, c.reloptions, pg_catalog.pg_get_viewdef(c.oid)) FROM pg_catalog.pg_class c WHERE c.oid IN (SELECT DISTINCT w.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = 16400 AND w.ev_class <> 16400) UNION ALL SELECT pg_catalog.concat_ws(' ', 'published', p.pubname, p.pubviaroot, (pg_catalog.to_jsonb(r) - 'oid')) FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid WHERE r.prrelid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'sequence', d.objid, d.refobjsubid, d.deptype) FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = 16400 AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid AND c.relkind = 'S')) s) IS DISTINCT FROM '0123456789abcdef0123456789abcdef' THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points" has been altered since the conversion began';
  END IF;
END$pc$;
LOCK TABLE ONLY "public"."telemetry_points" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points"') IS DISTINCT FROM 16400::pg_catalog.oid::pg_catalog.regclass THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points" is no longer what the plan saw';
  END IF;
END$pc$;
DO $pc$BEGIN
  IF (SELECT pg_catalog.md5(pg_catalog.string_agg(s.line, E'\n' ORDER BY s.line COLLATE "C")) FROM (SELECT pg_catalog.concat_ws(' ', 'column', a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, a.attstorage, a.attstattarget, a.attacl, a.attoptions, pg_catalog.pg_get_expr(d.adbin, d.adrelid)) AS line FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 16400 AND a.attnum > 0 AND NOT a.attisdropped UNION ALL SELECT pg_catalog.concat_ws(' ', 'constraint', conname, contype, convalidated, condeferrable, connoinherit, pg_catalog.pg_get_constraintdef(oid)) FROM pg_catalog.pg_constraint WHERE conrelid = 16400 AND contype <> 'n' AND conname <> 'partition_controller_fence' UNION ALL SELECT pg_catalog.concat_ws(' ', 'index', i.indexrelid, pg_catalog.pg_get_indexdef(i.indexrelid)) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid WHERE i.indrelid = 16400 AND c.relname NOT IN ('telemetry_points_key_with_time', 'telemetry_points_key_without_time') UNION ALL SELECT pg_catalog.concat_ws(' ', 'trigger', pg_catalog.pg_get_triggerdef(oid), tgenabled) FROM pg_catalog.pg_trigger WHERE tgrelid = 16400 AND NOT tgisinternal AND tgname <> '00_partition_controller_divert' AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace s ON s.oid = o.pronamespace WHERE o.oid = tgfoid AND s.nspname = 'partition_controller' AND o.proname LIKE 'mark\_%') UNION ALL SELECT pg_catalog.concat_ws(' ', 'policy', polname, polcmd, polpermissive, polroles, pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid)) FROM pg_catalog.pg_policy WHERE polrelid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'table', relname, relnamespace, relowner, relacl, relrowsecurity, relforcerowsecurity, relreplident, reloptions, relpersistence, reltablespace) FROM pg_catalog.pg_class WHERE oid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'comment', objsubid, description) FROM pg_catalog.pg_description WHERE objoid = 16400 AND classoid = 'pg_catalog.pg_class'::pg_catalog.regclass UNION ALL SELECT pg_catalog.concat_ws(' ', 'view', c.oid, c.relnamespace, c.relname, c.relowner, c.reloptions, pg_catalog.pg_get_viewdef(c.oid)) FROM pg_catalog.pg_class c WHERE c.oid IN (SELECT DISTINCT w.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = 16400 AND w.ev_class <> 16400) UNION ALL SELECT pg_catalog.concat_ws(' ', 'published', p.pubname, p.pubviaroot, (pg_catalog.to_jsonb(r) - 'oid')) FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid WHERE r.prrelid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'sequence', d.objid, d.refobjsubid, d.deptype) FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = 16400 AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid AND c.relkind = 'S')) s) IS DISTINCT FROM '0123456789abcdef0123456789abcdef' THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points" has been altered since the conversion began';
  END IF;
END$pc$;
CREATE OR REPLACE FUNCTION partition_controller.divert_16400() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $pc$BEGIN
  IF pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(NEW) OPERATOR(pg_catalog.-) ARRAY['id', 'message_id', 'device_id', 'batch_id', 'ts', 'metrics', 'created_at']::pg_catalog.text[]) OPERATOR(pg_catalog.<>) '{}'::pg_catalog.jsonb THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points" has been altered while it is being converted; repeat this in a minute';
  END IF;
  IF TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    DELETE FROM ONLY "public"."telemetry_points" WHERE ctid OPERATOR(pg_catalog.=) OLD.ctid;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = 'the row may not be moved by who may not delete it';
    END IF;
  END IF;
  INSERT INTO "public"."telemetry_points_partitioned" ("id", "message_id", "device_id", "batch_id", "ts", "metrics", "created_at") VALUES (NEW."id", NEW."message_id", NEW."device_id", NEW."batch_id", NEW."ts", NEW."metrics", NEW."created_at") ON CONFLICT DO NOTHING;
  IF NOT FOUND AND TG_OP OPERATOR(pg_catalog.=) 'UPDATE' THEN
    RAISE EXCEPTION USING ERRCODE = 'unique_violation', MESSAGE = 'another row has that key';
  END IF;
  RETURN NULL;
END$pc$;
CREATE TRIGGER "00_partition_controller_divert" BEFORE INSERT OR UPDATE ON "public"."telemetry_points" FOR EACH ROW WHEN (NEW."ts" >= '2026-12-01 00:00:00+00'::timestamptz) EXECUTE FUNCTION partition_controller.divert_16400();
ALTER TABLE "public"."telemetry_points" ENABLE ALWAYS TRIGGER "00_partition_controller_divert";
ALTER TABLE "public"."telemetry_points" ADD CONSTRAINT partition_controller_fence CHECK ("ts" < '2026-12-01 00:00:00+00'::timestamptz) NOT VALID;
UPDATE partition_controller.conversions SET state = 'fenced', changed_at = pg_catalog.now() WHERE plain_oid = 16400;
COMMIT;

-- move 37 rows beyond 2026-12-01T00:00:00Z and make "public"."telemetry_points" partitioned, with the table that it was as its partition "public"."telemetry_points_pmin_20261201"
-- because: reads the table once, 3.0 GiB (about 12000000 rows); readers and writers go on, then swaps the tables in milliseconds
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
DELETE FROM "public"."telemetry_points_partitioned" d USING ONLY "public"."telemetry_points" p WHERE p."ts" >= '2026-12-01 00:00:00+00'::timestamptz AND d."device_id" = p."device_id" AND d."message_id" = p."message_id";
DELETE FROM "public"."telemetry_points_partitioned" d USING ONLY "public"."telemetry_points" p WHERE p."ts" >= '2026-12-01 00:00:00+00'::timestamptz AND d."id" = p."id" AND d."ts" = p."ts";
WITH moved AS (DELETE FROM ONLY "public"."telemetry_points" WHERE "ts" >= '2026-12-01 00:00:00+00'::timestamptz RETURNING "id", "message_id", "device_id", "batch_id", "ts", "metrics", "created_at") INSERT INTO "public"."telemetry_points_partitioned" ("id", "message_id", "device_id", "batch_id", "ts", "metrics", "created_at") SELECT "id", "message_id", "device_id", "batch_id", "ts", "metrics", "created_at" FROM moved ON CONFLICT DO NOTHING;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE "public"."telemetry_points" VALIDATE CONSTRAINT partition_controller_fence;
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
  IF (SELECT pg_catalog.md5(pg_catalog.string_agg(s.line, E'\n' ORDER BY s.line COLLATE "C")) FROM (SELECT pg_catalog.concat_ws(' ', 'column', a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, a.attstorage, a.attstattarget, a.attacl, a.attoptions, pg_catalog.pg_get_expr(d.adbin, d.adrelid)) AS line FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 16400 AND a.attnum > 0 AND NOT a.attisdropped UNION ALL SELECT pg_catalog.concat_ws(' ', 'constraint', conname, contype, convalidated, condeferrable, connoinherit, pg_catalog.pg_get_constraintdef(oid)) FROM pg_catalog.pg_constraint WHERE conrelid = 16400 AND contype <> 'n' AND conname <> 'partition_controller_fence' UNION ALL SELECT pg_catalog.concat_ws(' ', 'index', i.indexrelid, pg_catalog.pg_get_indexdef(i.indexrelid)) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid WHERE i.indrelid = 16400 AND c.relname NOT IN ('telemetry_points_key_with_time', 'telemetry_points_key_without_time') UNION ALL SELECT pg_catalog.concat_ws(' ', 'trigger', pg_catalog.pg_get_triggerdef(oid), tgenabled) FROM pg_catalog.pg_trigger WHERE tgrelid = 16400 AND NOT tgisinternal AND tgname <> '00_partition_controller_divert' AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace s ON s.oid = o.pronamespace WHERE o.oid = tgfoid AND s.nspname = 'partition_controller' AND o.proname LIKE 'mark\_%') UNION ALL SELECT pg_catalog.concat_ws(' ', 'policy', polname, polcmd, polpermissive, polroles, pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid)) FROM pg_catalog.pg_policy WHERE polrelid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'table', relname, relnamespace, relowner, relacl, relrowsecurity, relforcerowsecurity, relreplident, reloptions, relpersistence, reltablespace) FROM pg_catalog.pg_class WHERE oid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'comment', objsubid, description) FROM pg_catalog.pg_description WHERE objoid = 16400 AND classoid = 'pg_catalog.pg_class'::pg_catalog.regclass UNION ALL SELECT pg_catalog.concat_ws(' ', 'view', c.oid, c.relnamespace, c.relname, c.relowner, c.reloptions, pg_catalog.pg_get_viewdef(c.oid)) FROM pg_catalog.pg_class c WHERE c.oid IN (SELECT DISTINCT w.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = 16400 AND w.ev_class <> 16400) UNION ALL SELECT pg_catalog.concat_ws(' ', 'published', p.pubname, p.pubviaroot, (pg_catalog.to_jsonb(r) - 'oid')) FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid WHERE r.prrelid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'sequence', d.objid, d.refobjsubid, d.deptype) FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = 16400 AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid AND c.relkind = 'S')) s) IS DISTINCT FROM '0123456789abcdef0123456789abcdef' THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points" has been altered since the conversion began';
  END IF;
END$pc$;
ALTER VIEW public.newest OWNER TO edgewatch;
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
LOCK TABLE ONLY "public"."telemetry_points" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_partitioned" IN ACCESS EXCLUSIVE MODE;
LOCK TABLE ONLY "public"."telemetry_points_default" IN ACCESS EXCLUSIVE MODE;
DO $pc$BEGIN
  IF pg_catalog.to_regclass('"public"."telemetry_points"') IS DISTINCT FROM 16400::pg_catalog.oid::pg_catalog.regclass THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points" is no longer what the plan saw';
  END IF;
END$pc$;
DO $pc$BEGIN
  IF (SELECT pg_catalog.md5(pg_catalog.string_agg(s.line, E'\n' ORDER BY s.line COLLATE "C")) FROM (SELECT pg_catalog.concat_ws(' ', 'column', a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, a.attstorage, a.attstattarget, a.attacl, a.attoptions, pg_catalog.pg_get_expr(d.adbin, d.adrelid)) AS line FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = 16400 AND a.attnum > 0 AND NOT a.attisdropped UNION ALL SELECT pg_catalog.concat_ws(' ', 'constraint', conname, contype, convalidated, condeferrable, connoinherit, pg_catalog.pg_get_constraintdef(oid)) FROM pg_catalog.pg_constraint WHERE conrelid = 16400 AND contype <> 'n' AND conname <> 'partition_controller_fence' UNION ALL SELECT pg_catalog.concat_ws(' ', 'index', i.indexrelid, pg_catalog.pg_get_indexdef(i.indexrelid)) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_class t ON t.oid = i.indrelid WHERE i.indrelid = 16400 AND c.relname NOT IN ('telemetry_points_key_with_time', 'telemetry_points_key_without_time') UNION ALL SELECT pg_catalog.concat_ws(' ', 'trigger', pg_catalog.pg_get_triggerdef(oid), tgenabled) FROM pg_catalog.pg_trigger WHERE tgrelid = 16400 AND NOT tgisinternal AND tgname <> '00_partition_controller_divert' AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace s ON s.oid = o.pronamespace WHERE o.oid = tgfoid AND s.nspname = 'partition_controller' AND o.proname LIKE 'mark\_%') UNION ALL SELECT pg_catalog.concat_ws(' ', 'policy', polname, polcmd, polpermissive, polroles, pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid)) FROM pg_catalog.pg_policy WHERE polrelid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'table', relname, relnamespace, relowner, relacl, relrowsecurity, relforcerowsecurity, relreplident, reloptions, relpersistence, reltablespace) FROM pg_catalog.pg_class WHERE oid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'comment', objsubid, description) FROM pg_catalog.pg_description WHERE objoid = 16400 AND classoid = 'pg_catalog.pg_class'::pg_catalog.regclass UNION ALL SELECT pg_catalog.concat_ws(' ', 'view', c.oid, c.relnamespace, c.relname, c.relowner, c.reloptions, pg_catalog.pg_get_viewdef(c.oid)) FROM pg_catalog.pg_class c WHERE c.oid IN (SELECT DISTINCT w.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = 16400 AND w.ev_class <> 16400) UNION ALL SELECT pg_catalog.concat_ws(' ', 'published', p.pubname, p.pubviaroot, (pg_catalog.to_jsonb(r) - 'oid')) FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid WHERE r.prrelid = 16400 UNION ALL SELECT pg_catalog.concat_ws(' ', 'sequence', d.objid, d.refobjsubid, d.deptype) FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = 16400 AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = d.objid AND c.relkind = 'S')) s) IS DISTINCT FROM '0123456789abcdef0123456789abcdef' THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = '"public"."telemetry_points" has been altered since the conversion began';
  END IF;
END$pc$;
DROP TRIGGER "00_partition_controller_divert" ON "public"."telemetry_points";
DROP FUNCTION partition_controller.divert_16400();
ALTER TABLE "public"."telemetry_points" RENAME TO "telemetry_points_pmin_20261201";
ALTER TABLE "public"."telemetry_points_partitioned" RENAME TO "telemetry_points";
ALTER TABLE "public"."telemetry_points_pmin_20261201" DROP CONSTRAINT "telemetry_points_pkey";
ALTER TABLE "public"."telemetry_points_pmin_20261201" ADD CONSTRAINT "telemetry_points_pmin_20261201_idx1" PRIMARY KEY USING INDEX "telemetry_points_key_with_time";
ALTER INDEX "public"."telemetry_points_partitioned_idx1" RENAME TO "telemetry_points_pkey";
ALTER INDEX "public"."ix_telemetry_device_ts" RENAME TO "telemetry_points_pmin_20261201_idx3";
ALTER INDEX "public"."telemetry_points_partitioned_idx3" RENAME TO "ix_telemetry_device_ts";
ALTER INDEX "public"."ix_telemetry_points_batch_id" RENAME TO "telemetry_points_pmin_20261201_idx4";
ALTER INDEX "public"."telemetry_points_partitioned_idx4" RENAME TO "ix_telemetry_points_batch_id";
ALTER INDEX "public"."ix_telemetry_points_ts" RENAME TO "telemetry_points_pmin_20261201_idx5";
ALTER INDEX "public"."telemetry_points_partitioned_idx5" RENAME TO "ix_telemetry_points_ts";
DO $pc$BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_index p WHERE p.indrelid = '"public"."telemetry_points"'::pg_catalog.regclass AND NOT EXISTS (SELECT FROM pg_catalog.pg_index c WHERE c.indrelid = '"public"."telemetry_points_pmin_20261201"'::pg_catalog.regclass AND c.indisvalid AND c.indisunique = p.indisunique AND pg_catalog.substr(pg_catalog.pg_get_indexdef(c.indexrelid), pg_catalog.strpos(pg_catalog.pg_get_indexdef(c.indexrelid), ' USING ')) = pg_catalog.substr(pg_catalog.pg_get_indexdef(p.indexrelid), pg_catalog.strpos(pg_catalog.pg_get_indexdef(p.indexrelid), ' USING ')) AND (SELECT k.contype FROM pg_catalog.pg_constraint k WHERE k.conindid = c.indexrelid AND k.conrelid = c.indrelid AND k.contype IN ('p', 'u')) IS NOT DISTINCT FROM (SELECT k.contype FROM pg_catalog.pg_constraint k WHERE k.conindid = p.indexrelid AND k.conrelid = p.indrelid AND k.contype IN ('p', 'u')))) THEN
    RAISE EXCEPTION USING ERRCODE = 'PC001', MESSAGE = 'an index of "public"."telemetry_points" has no equal on "public"."telemetry_points_pmin_20261201": attaching it would build one';
  END IF;
END$pc$;
ALTER TABLE "public"."telemetry_points" ATTACH PARTITION "public"."telemetry_points_pmin_20261201" FOR VALUES FROM (MINVALUE) TO ('2026-12-01 00:00:00+00');
ALTER TABLE "public"."telemetry_points_pmin_20261201" DROP CONSTRAINT partition_controller_fence;
ALTER TABLE "public"."telemetry_points_default" DROP CONSTRAINT partition_controller_bounds;
CREATE OR REPLACE VIEW public.newest AS  SELECT max(telemetry_points.ts) AS max
   FROM public.telemetry_points;
WITH keeper AS (UPDATE partition_controller.tables SET table_oid = '"public"."telemetry_points"'::pg_catalog.regclass::pg_catalog.oid, analyzed_at = NULL WHERE table_oid = 16400), rollups AS (UPDATE partition_controller.rollups SET table_oid = '"public"."telemetry_points"'::pg_catalog.regclass::pg_catalog.oid WHERE table_oid = 16400) UPDATE partition_controller.conversions SET state = 'converted', changed_at = pg_catalog.now() WHERE plain_oid = 16400;
COMMIT;
