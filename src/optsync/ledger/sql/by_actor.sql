-- Whom a user or a program has unsubscribed, without reading what everybody did. Events of recipients have no actor.
CREATE INDEX event_actor ON event (actor, event_id) WHERE actor IS NOT NULL AND kind IN ('opted out', 'repeated');
                                                                        -- read by people_by
