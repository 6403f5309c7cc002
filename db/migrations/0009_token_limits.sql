-- What one wedge or token can add for ever has an end, whatever names it gives itself.

ALTER TABLE reheat_data.targets ADD COLUMN added_by text;
COMMENT ON COLUMN reheat_data.targets.added_by IS 'Whose stream named it first: wedge:NAME, or token:NAME where the stream had a token.';

CREATE TABLE reheat_data.token_sites (
    token       text PRIMARY KEY,
    new_sites   bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE reheat_data.token_sites IS 'Sites that streams with a token were the first to name.';
