-- Indexes of the lists, so that a page costs the same with a million unsubscribes.
-- Not WHERE scope = 0: the planner would then walk it to record an opt-out, instead of the primary key (a third slower).
CREATE INDEX opt_out_newest ON opt_out (source, since, address_id);     -- read by newest_opt_outs
CREATE INDEX opt_out_lifted ON opt_out (address_id) WHERE scope = 0 AND lifted_at IS NOT NULL;      -- read by people_in_state
CREATE INDEX mark_waits ON mark (state) WHERE state IN ('h', 'p');      -- read by people_in_state and rejected_now
CREATE INDEX event_parked_by ON event (run_id) WHERE kind = 'parked' AND run_id IS NOT NULL;
                                                                        -- read by rejected_in_run and retry_now_of_run
