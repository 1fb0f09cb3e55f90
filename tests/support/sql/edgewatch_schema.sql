-- EdgeWatch's tables around its telemetry, as its application expects them.
-- One of edgewatch_plain.sql and edgewatch_partitioned.sql completes them.

CREATE TABLE devices (
    device_id            varchar(128) PRIMARY KEY,
    display_name         varchar(256) NOT NULL,
    heartbeat_interval_s integer NOT NULL DEFAULT 300,
    enabled              boolean NOT NULL DEFAULT true,
    last_seen_at         timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ingestion_batches (
    id                 varchar(36) PRIMARY KEY,
    device_id          varchar(128) NOT NULL REFERENCES devices (device_id),
    points_submitted   integer NOT NULL,
    points_accepted    integer NOT NULL,
    duplicates         integer NOT NULL DEFAULT 0,
    points_quarantined integer NOT NULL DEFAULT 0,
    received_at        timestamptz NOT NULL DEFAULT now()
);

-- The application inserts here first, and writes only the points whose message
-- was new: what the unique constraint did before the table was partitioned.
CREATE TABLE telemetry_ingest_dedupe (
    device_id  varchar(128) NOT NULL,
    message_id varchar(64) NOT NULL,
    point_ts   timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, message_id)
);
CREATE INDEX ix_telemetry_ingest_dedupe_point_ts ON telemetry_ingest_dedupe (point_ts);

CREATE TABLE quarantined_telemetry (
    id         varchar(36) PRIMARY KEY,
    batch_id   varchar(36) REFERENCES ingestion_batches (id),
    device_id  varchar(128) NOT NULL REFERENCES devices (device_id),
    message_id varchar(64) NOT NULL,
    ts         timestamptz NOT NULL,
    metrics    jsonb NOT NULL DEFAULT '{}',
    errors     jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ix_quarantined_telemetry_ts ON quarantined_telemetry (ts);

CREATE TABLE telemetry_rollups_hourly (
    device_id    varchar(128) NOT NULL,
    metric_key   varchar(64) NOT NULL,
    bucket_ts    timestamptz NOT NULL,
    sample_count integer NOT NULL,
    min_value    double precision NOT NULL,
    max_value    double precision NOT NULL,
    avg_value    double precision NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, metric_key, bucket_ts)
);
CREATE INDEX ix_telemetry_rollups_hourly_bucket_ts ON telemetry_rollups_hourly (bucket_ts);
CREATE INDEX ix_telemetry_rollups_hourly_metric_bucket ON telemetry_rollups_hourly (metric_key, bucket_ts);
