-- telemetry_points before EdgeWatch's migration: an ordinary table.

CREATE TABLE telemetry_points (
    id         varchar(36) PRIMARY KEY,
    message_id varchar(64) NOT NULL,
    device_id  varchar(128) NOT NULL REFERENCES devices (device_id),
    batch_id   varchar(36) REFERENCES ingestion_batches (id),
    ts         timestamptz NOT NULL,
    metrics    jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_telemetry_device_message UNIQUE (device_id, message_id)
);
CREATE INDEX ix_telemetry_device_ts ON telemetry_points (device_id, ts);
CREATE INDEX ix_telemetry_points_batch_id ON telemetry_points (batch_id);
CREATE INDEX ix_telemetry_points_ts ON telemetry_points (ts);
