-- What the doctor found when a program last asked it; looking costs API calls, so others may read this.
CREATE TABLE doctor_findings (
    org_id     smallint PRIMARY KEY REFERENCES org,
    checked_at timestamptz NOT NULL DEFAULT clock(),
    checks     jsonb NOT NULL                       -- api/doctor.py Check
);
