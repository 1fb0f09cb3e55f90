-- Policy edgewatch/telemetry-points for "public"."telemetry_points" as of 2026-11-22T20:31:00Z.  Stop at the first error.
\set ON_ERROR_STOP on
-- Refused: the schema partition_controller has version 99, made by a newer release; this one knows 7
-- Nothing to do.
