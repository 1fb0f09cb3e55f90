-- telemetry_points after EdgeWatch's migration: partitioned by ts, with a
-- default partition, and without the unique constraint that lacks ts.  Its
-- monthly partitions come from edgewatch_create_partitions.

CREATE TABLE telemetry_points (
    id         varchar(36) NOT NULL,
    message_id varchar(64) NOT NULL,
    device_id  varchar(128) NOT NULL REFERENCES devices (device_id),
    batch_id   varchar(36) REFERENCES ingestion_batches (id),
    ts         timestamptz NOT NULL,
    metrics    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, ts)
) PARTITION BY RANGE (ts);
CREATE INDEX ix_telemetry_device_ts ON telemetry_points (device_id, ts);
CREATE INDEX ix_telemetry_points_batch_id ON telemetry_points (batch_id);
CREATE INDEX ix_telemetry_points_ts ON telemetry_points (ts);

CREATE TABLE telemetry_points_default PARTITION OF telemetry_points DEFAULT;
