-- Functions that fill EdgeWatch's tables.  They live in pg_temp, so the
-- database keeps nothing but what EdgeWatch itself would have left there.
-- The same arguments always make the same rows.

-- The monthly partitions telemetry_points_pYYYYMM from the month of `since` to
-- the month of `until`, both included.
CREATE FUNCTION pg_temp.edgewatch_create_partitions(since timestamptz, until timestamptz)
RETURNS void LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    month timestamptz := date_trunc('month', since);
BEGIN
    WHILE month <= until LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF telemetry_points FOR VALUES FROM (%L) TO (%L)',
                       to_char(month, '"telemetry_points_p"YYYYMM'), month, month + interval '1 month');
        month := month + interval '1 month';
    END LOOP;
END $$;

-- A number in [low, high), with one decimal, that depends on n and salt alone.
CREATE FUNCTION pg_temp.edgewatch_noise(n bigint, salt int, low numeric, high numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT low + trunc((hashint8extended(n, salt) & 1023) * (high - low) / 1024, 1)
$$;

-- `points` telemetry points of `devices` devices, evenly over [since, until),
-- with their batches of up to 50 and their dedupe rows.  Each `series` has
-- message ids of its own.  `received` is when they reached the server; by
-- default each a few seconds after it was measured.  Returns the points made.
--
-- The values are what a fleet sends: mostly numbers, now and then a number in
-- a string or a text where a number belongs.
CREATE FUNCTION pg_temp.edgewatch_generate(devices int, points bigint, since timestamptz, until timestamptz,
                                           series int DEFAULT 0, received timestamptz DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    step interval := (until - since) / points;
    made bigint;
BEGIN
    INSERT INTO devices (device_id, display_name, last_seen_at, created_at)
    SELECT format('device-%s', lpad(d::text, 4, '0')), format('Pump station %s', d), until, since
    FROM generate_series(1, devices) AS d
    ON CONFLICT (device_id) DO NOTHING;

    -- Batch b of device d holds its points b * 50 to b * 50 + 49.
    INSERT INTO ingestion_batches (id, device_id, points_submitted, points_accepted, received_at)
    SELECT md5(format('batch %s %s %s', series, d, b))::uuid::text,
           format('device-%s', lpad((d + 1)::text, 4, '0')), 50, 50,
           coalesce(received, since + step * (devices * (b * 50 + 49)::double precision))
    FROM generate_series(0, least(devices, points) - 1) AS d,
         generate_series(0, (points - 1 - d) / devices / 50) AS b;

    INSERT INTO telemetry_points (id, message_id, device_id, batch_id, ts, metrics, created_at)
    SELECT md5(format('point %s %s', series, n))::uuid::text,
           format('m-%s-%s', series, n),
           format('device-%s', lpad((n % devices + 1)::text, 4, '0')),
           md5(format('batch %s %s %s', series, n % devices, n / devices / 50))::uuid::text,
           ts,
           CASE
               WHEN n % 997 = 5 THEN numbers || jsonb_build_object('temperature_c', '21.5', 'wake_reason', 'timer')
               WHEN n % 4999 = 7 THEN numbers || '{"temperature_c": "n/a", "pump_on": true}'
               ELSE numbers
           END,
           coalesce(received, ts + interval '3 seconds')
    FROM generate_series(0, points - 1) AS n,
         LATERAL (SELECT since + step * n::double precision AS ts) AS t,
         LATERAL (SELECT jsonb_build_object(
             'water_pressure_psi', pg_temp.edgewatch_noise(n, 1, 30, 80),
             'oil_pressure_psi', pg_temp.edgewatch_noise(n, 2, 20, 60),
             'temperature_c', pg_temp.edgewatch_noise(n, 3, -10, 45),
             'humidity_pct', pg_temp.edgewatch_noise(n, 4, 5, 100),
             'battery_v', pg_temp.edgewatch_noise(n, 5, 11, 14),
             'signal_rssi_dbm', pg_temp.edgewatch_noise(n, 6, -110, -50),
             'pump_on', n % 3 = 0) AS numbers) AS m;
    GET DIAGNOSTICS made = ROW_COUNT;

    INSERT INTO telemetry_ingest_dedupe (device_id, message_id, point_ts, created_at)
    SELECT format('device-%s', lpad((n % devices + 1)::text, 4, '0')), format('m-%s-%s', series, n), ts,
           coalesce(received, ts + interval '3 seconds')
    FROM generate_series(0, points - 1) AS n,
         LATERAL (SELECT since + step * n::double precision AS ts) AS t;

    RETURN made;
END $$;
