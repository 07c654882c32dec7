-- Messages made thick: when one is too late, which of them a person has to look at, and what that person decided. And
-- jobs that survive many crashes of their workers.

-- After this a follow-up never leaves, however long the mail server was away. Absent: it is never too late.
ALTER TABLE messages ADD COLUMN not_after timestamptz NULL;

-- The messages that wait for a person: few among many, and asked for by themselves.
CREATE INDEX messages_in_doubt ON messages (tenant_id, state, created_at DESC, id DESC)
                               WHERE state IN ('unknown', 'failed');

-- How often in a row a job was taken over from a worker that died. Apart from `attempt`, because most of those jobs
-- only waited in the worker for their turn and had no part in its death: their own tries are not used up by it.
ALTER TABLE jobs ADD COLUMN rescues int NOT NULL DEFAULT 0;

-- A person's word on a try of which nobody knew whether the mail left. It stands beside what the mail server said,
-- which may come later, and neither overwrites the other.
ALTER TABLE message_attempts
    ADD COLUMN resolved_as text        NULL CHECK (resolved_as IN ('accepted', 'failed', 'queued')),
    -- Who: usr_… or key_….
    ADD COLUMN resolved_by text        NULL,
    ADD COLUMN resolved_at timestamptz NULL,
    ADD COLUMN note        text        NULL CHECK (char_length(note) BETWEEN 1 AND 2000),
    ADD CONSTRAINT message_attempts_resolution_is_whole CHECK ((resolved_as IS NULL) = (resolved_by IS NULL)
                                                           AND (resolved_as IS NULL) = (resolved_at IS NULL)
                                                           AND (note IS NULL OR resolved_as IS NOT NULL));
