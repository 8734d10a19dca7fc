-- An erased address goes from events that nobody could read, too. The text may have the @ escaped or encoded, so it is
-- enough that both halves of the address stand in it. The event itself goes on waiting for a person.
CREATE FUNCTION inbox_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE inbox SET raw = '[erased]'
    WHERE strpos(lower(raw), regexp_replace(OLD.normal, '@[^@]*$', '')) > 0
      AND strpos(lower(raw), regexp_replace(OLD.normal, '^.*@', '')) > 0;
    RETURN NULL;
END $$;
CREATE TRIGGER inbox_forgets AFTER UPDATE OF normal ON address FOR EACH ROW
WHEN (OLD.normal IS NOT NULL AND NEW.normal IS NULL) EXECUTE FUNCTION inbox_forget();
