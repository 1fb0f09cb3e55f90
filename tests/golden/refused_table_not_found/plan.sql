-- Policy edgewatch/telemetry-points for "public"."telemetry_pints" as of 2026-11-22T20:31:00Z.  Stop at the first error.
\set ON_ERROR_STOP on
-- Refused: there is no table "public"."telemetry_pints" in database "edgewatch", or role "edgewatch" may not see its schema
-- Nothing to do.
