-- name: export_csv
-- Active account-wide opt-outs as CSV; a cell that a spreadsheet would run as a formula gets an apostrophe in front, and
-- one that looks like such a cell gets a second one, so that an import restores every address exactly.
COPY (SELECT CASE WHEN a.normal ~ '^['' \uFEFF]*[=+@\t\r-]' THEN '''' || a.normal ELSE a.normal END AS address,
             to_char(o.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since, o.source
      FROM opt_out o JOIN address a USING (address_id)
      WHERE o.scope = 0 AND o.lifted_at IS NULL AND a.normal IS NOT NULL ORDER BY a.normal) TO STDOUT WITH (FORMAT csv, HEADER);

-- name: export_json_lines
-- The same, one JSON object a line.
COPY (SELECT jsonb_build_object('address', a.normal, 'since', to_char(o.since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                                'source', o.source)::text
      FROM opt_out o JOIN address a USING (address_id)
      WHERE o.scope = 0 AND o.lifted_at IS NULL AND a.normal IS NOT NULL ORDER BY a.normal)
TO STDOUT WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02');
