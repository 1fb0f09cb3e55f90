-- Policy edgewatch/telemetry-points for "public"."telemetry_points" as of 2026-11-22T20:31:00Z.  Stop at the first error.
\set ON_ERROR_STOP on
-- Refused: column "ts" may be NULL; such rows belong to no period
-- Refused: index "public"."ix_half_built" is invalid: attaching the table would build it anew, under lock
-- Refused: "telemetry_points_pkey" ("id"), "uq_telemetry_device_message" ("device_id", "message_id") lack the time column "ts": a partitioned table enforces that only inside each partition. The same key with another time in another partition would be accepted, and ON CONFLICT with such a key as its target would fail
-- Refused: foreign keys of other tables point to "public"."telemetry_points", to a key that a partitioned table cannot have without its time column
-- Refused: materialized view daily, function newest() depend on "public"."telemetry_points" in a way that cannot be carried over, and would go on meaning the old table
-- Refused: publication feed would publish the rows under the names of the partitions, which subscribers do not have
-- Nothing to do.
