-- What plans of the store grant.

ALTER TABLE plan_versions ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
