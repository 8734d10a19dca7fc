-- Indexes for what is not in Salesforce, so that the state of an org is read without counting a million boxes. The last two
-- hold next to nothing: few boxes are refused, fewer are left unticked on purpose.
CREATE INDEX mark_owed ON mark (org_id, due_at) WHERE state = 'o';          -- read by standing
CREATE INDEX mark_refused ON mark (org_id) WHERE state = 'p' AND reason NOT IN ('fan-out refused', 'hold dropped');
                                                                            -- read by standing, parked and shell
CREATE INDEX mark_carried ON mark (org_id) WHERE state = 'h' AND reason = 'carried';        -- read by standing
