-- Policy edgewatch/telemetry-points for "public"."telemetry_points" as of 2026-11-22T20:31:00Z.  Stop at the first error.
\set ON_ERROR_STOP on
-- Refused: role "reporting" may not create the schema partition_controller
-- Refused: role "reporting" neither owns "public"."telemetry_points" nor is a member of its owner "edgewatch"
-- Refused: role "reporting" may not create tables in schema "public"
-- Nothing to do.
