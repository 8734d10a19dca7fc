INSERT INTO org (salesforce_id) VALUES ('00D000000000001AAA');

INSERT INTO connection
VALUES (1, '', 1, 'https://bench.my.salesforce.com', 'bench', 'Bench', 'Enterprise', false, false);

INSERT INTO settings (org_id) VALUES (1);

INSERT INTO opt_out_field VALUES (1, 1, 'HasOptedOutOfEmail', 'HasOptedOutOfEmail', 'Email Opt Out');

INSERT INTO due (epoch, org_id, field) SELECT epoch, 1, 1 FROM target;

INSERT INTO address (normal) SELECT 'person' || n || '@example.com' FROM generate_series(1, 1000000) n;

INSERT INTO record (org_id, record_id, kind, address_id, provenance)
SELECT 1, '003' || lpad(address_id::text, 12, '0') || 'AAA', 'C', address_id, 'n' FROM address WHERE address_id % 500 <> 7;

INSERT INTO opt_out (address_id, source, epoch, since, lifted_at)
SELECT address_id, (ARRAY['import', 'import', 'import', 'salesforce sync', 'one-click', 'clicked link', 'api', 'manual',
                          'complaint', 'bounce'])[1 + address_id % 10],
       epoch, '2026-10-01'::timestamptz - make_interval(mins => (1000000 - address_id)::int / 2),
       CASE WHEN address_id % 1000 = 3 THEN clock() END
FROM address, target;

INSERT INTO mark (org_id, field, record_id, state, reason, touched_run, due_at)
SELECT 1, 1, record_id,
       CASE address_id % 1000 WHEN 11 THEN 'p' WHEN 12 THEN 'h' WHEN 13 THEN 'o' ELSE 'c' END,
       CASE address_id % 1000 WHEN 11 THEN 'FIELD_CUSTOM_VALIDATION_EXCEPTION:Phone is required, says ' || address_id % 20
                              WHEN 12 THEN 'brake' END,
       1, CASE address_id % 1000 WHEN 11 THEN clock() + interval '1 day' WHEN 13 THEN clock() END
FROM record WHERE address_id % 1000 <> 3;

INSERT INTO lookup (org_id, address_id, due_at)
SELECT 1, address_id, clock() + interval '1 day' FROM address WHERE address_id % 500 = 7;

INSERT INTO hold (direction, origin) VALUES ('o', 'import old.csv'), ('i', 'run 3');

INSERT INTO hold_item (hold_id, address_id) SELECT 1, address_id FROM address WHERE address_id % 1000 = 12;

INSERT INTO hold_item (hold_id, address_id, org_id, field, record_id)
SELECT 2, address_id, 1, 1, '003' || lpad(address_id::text, 12, '0') || 'AAA' FROM address WHERE address_id > 950000;

INSERT INTO event (kind, subject, scope, source)
SELECT 'opted out', sha256(address_id::text::bytea), 0, 'import' FROM address WHERE address_id <= 200000;

INSERT INTO event (kind, subject, scope, source)
SELECT 'opted out', sha256(('single' || n)::bytea), 0, 'one-click' FROM generate_series(1, 600) n;

INSERT INTO event (at, kind, subject, org_id, field, record_id)
SELECT clock() + make_interval(secs => n * n / 3000.0), 'confirmed', sha256(('single' || n)::bytea), 1, 1,
       '003' || lpad((500000 + n)::text, 12, '0') || 'AAA'
FROM generate_series(1, 600) n;

INSERT INTO event (kind, org_id, field, record_id, reason)
SELECT 'parked', org_id, field, record_id, reason FROM mark WHERE state = 'p';

INSERT INTO run (org_id, kind, state, result, by_whom, started_at, finished_at)
SELECT 1, 'nightly', 'finished', 'proved', 'worker', clock() - n * interval '1 day', clock() - n * interval '1 day'
FROM generate_series(1, 2000) n;

INSERT INTO event (at, kind, subject, scope, source, actor)
SELECT o.since, 'opted out', subject_of(a.normal, NULL, p.inner_pad, p.outer_pad), 0, o.source,
       CASE WHEN o.source = 'api' THEN 'API key crm' WHEN o.address_id > 985000 THEN 'Petra' ELSE 'Ida' END
FROM pads p, opt_out o JOIN address a USING (address_id) WHERE o.source IN ('api', 'manual') ORDER BY o.since;

INSERT INTO opt_out_field VALUES (1, 2, 'Sales__c', 'Sales__c', 'Sales Opt Out');

INSERT INTO mark (org_id, field, record_id, state, touched_run)
SELECT 1, 2, record_id, 'c', 1 FROM record WHERE address_id % 667 = 1
