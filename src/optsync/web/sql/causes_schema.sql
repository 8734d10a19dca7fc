-- What Salesforce refuses is grouped by cause: the object and Salesforce's code and words, where ids, addresses and long
-- numbers stand for any. The words name the rule or field, so one cause is one thing to mend. The number in front is the
-- version of this grouping: another one gets another number, and is told apart from what was muted under this one.
CREATE FUNCTION cause_of(p_reason text, p_record text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 1000 AS $$
DECLARE said text := left(p_reason, 1000);
BEGIN
    said := regexp_replace(said, '[^\s@<>"'']+@[^\s@<>"'']+', '@', 'g');                            -- an address
    said := regexp_replace(said, '\m(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{15}([A-Za-z0-9]{3})?\M', '*', 'g');    -- an id
    said := regexp_replace(said, '\d{4,}', '#', 'g');                                               -- the number of an error
    RETURN '1-' || md5(left(p_record, 3) || ' ' || regexp_replace(said, '\s+', ' ', 'g'));
END $$;
-- A box that is on its way and was never refused has no reason: it costs nothing here.
CREATE INDEX mark_cause ON mark (org_id, state, cause_of(reason, record_id), record_id, field)
    WHERE state IN ('o', 'p') AND reason IS NOT NULL;               -- read by causes, boxes_of_cause and retry_now_of_cause
CREATE INDEX event_cause ON event (org_id, cause_of(reason, record_id), event_id) WHERE kind = 'parked';
                                                                    -- read by causes and causes_settled

-- A cause that somebody has put aside until a moment: it is still shown and counted, and comes back by itself.
CREATE TABLE issue_mute (
    org_id   smallint NOT NULL,
    cause    text COLLATE "C" NOT NULL,
    until    timestamptz NOT NULL,
    muted_at timestamptz NOT NULL DEFAULT clock(),
    muted_by text NOT NULL,
    PRIMARY KEY (org_id, cause)
);

-- How many people a mass change was about is told by the event of its decision alone: its items end with it.
CREATE INDEX event_hold ON event ((evidence ->> 'hold')) WHERE kind IN ('hold applied', 'hold dropped');  -- read by holds_over
