-- Tickets: what a person has to look at, with everything that is known about it, and the escalations that open them.
--
-- An escalation is one ticket however often its reason is found: effect_key names the thing it is about. What finds it
-- again adds a comment, once for each finding (evidence_key), and opens the ticket again if it was closed meanwhile.
--
-- Workflow versions that stores have already stay as they are: the condition no_open_ticket comes with the ready-made
-- workflows of stores made from now on. A version is what its store has published, and a program of the version before
-- this one, which may still be running, could not read the new word.
--
-- Locks: whoever opens a ticket about an order holds the order's row first and the store's counter after it.

-- Who is told of an escalation; without an address nobody is, and the ticket says so.
ALTER TABLE stores ADD COLUMN escalation_email text NULL CHECK (char_length(escalation_email) <= 320);

-- An internal message goes to the store's own people.
ALTER TABLE messages DROP CONSTRAINT messages_class_check;
ALTER TABLE messages ADD  CONSTRAINT messages_class_check CHECK (class IN ('transactional', 'follow_up', 'internal'));

-- The number given last. Numbers grow and are never given twice; where two opened one ticket at once, one is left out.
CREATE TABLE ticket_counters (
    tenant_id   uuid   NOT NULL,
    store_id    uuid   NOT NULL,
    last_number bigint NOT NULL CHECK (last_number > 0),
    PRIMARY KEY (tenant_id, store_id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id)
);

CREATE TABLE tickets (
    tenant_id       uuid        NOT NULL,
    id              uuid        NOT NULL,
    store_id        uuid        NOT NULL,
    -- What people call it by, within its store.
    number          bigint      NOT NULL CHECK (number > 0),
    subject         text        NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 200),
    -- A question, or the exception that needs a person.
    kind            text        NOT NULL
                    CHECK (kind IN ('question', 'conflicting_tracking', 'missing_shipment', 'damaged_goods',
                                    'charge_dispute', 'policy_exception', 'high_value', 'angry_customer',
                                    'fraud_concern', 'conflicting_order_data', 'unknown_order_data', 'stale_data',
                                    'low_confidence', 'several_requests', 'repeated_contact', 'denial_contested',
                                    'person_requested', 'message_unknown', 'message_failed', 'refund_failed',
                                    'refund_delayed')),
    state           text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'pending', 'closed')),
    priority        text        NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    customer_email  text            NULL CHECK (char_length(customer_email) <= 320),
    customer_name   text            NULL CHECK (char_length(customer_name) BETWEEN 1 AND 200),
    assignee_id     uuid            NULL,
    -- What it is about.
    order_id        uuid            NULL,
    run_id          uuid            NULL,
    message_id      uuid            NULL,
    -- usr_…, key_…, run_… or msg_…: the person, the program, the decision or the message that opened it.
    opened_by       text        NOT NULL,
    effect_key      text            NULL,
    -- Whether the store's people were told by mail, and by which.
    notification    text        NOT NULL DEFAULT 'none' CHECK (notification IN ('none', 'waiting', 'mailed', 'no_address')),
    notification_id uuid            NULL,
    -- When a person is to have taken it, and when one first did.
    respond_by      timestamptz NOT NULL,
    taken_at        timestamptz     NULL,
    closed_at       timestamptz     NULL,
    version         bigint      NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, assignee_id) REFERENCES users (tenant_id, id),
    FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, id),
    FOREIGN KEY (tenant_id, message_id) REFERENCES messages (tenant_id, id),
    FOREIGN KEY (tenant_id, notification_id) REFERENCES messages (tenant_id, id),
    CONSTRAINT tickets_number_is_unique UNIQUE (tenant_id, store_id, number),
    CONSTRAINT tickets_closed_with_time CHECK ((state = 'closed') = (closed_at IS NOT NULL)),
    CONSTRAINT tickets_mailed_with_mail CHECK (notification <> 'mailed' OR notification_id IS NOT NULL)
);
CREATE UNIQUE INDEX tickets_are_opened_once ON tickets (tenant_id, effect_key) WHERE effect_key IS NOT NULL;
CREATE INDEX tickets_by_creation        ON tickets (tenant_id, created_at DESC, id DESC);
CREATE INDEX tickets_by_state           ON tickets (tenant_id, state, created_at DESC, id DESC);
CREATE INDEX tickets_by_store           ON tickets (tenant_id, store_id, created_at DESC, id DESC);
CREATE INDEX tickets_by_store_and_state ON tickets (tenant_id, store_id, state, created_at DESC, id DESC);
CREATE INDEX tickets_by_order           ON tickets (tenant_id, order_id, created_at DESC, id DESC)
                                        WHERE order_id IS NOT NULL;
CREATE INDEX tickets_by_assignee        ON tickets (tenant_id, assignee_id, created_at DESC, id DESC)
                                        WHERE assignee_id IS NOT NULL;

-- What people and programs noted. All of it internal: customers never see a comment.
CREATE TABLE ticket_comments (
    tenant_id    uuid        NOT NULL,
    id           uuid        NOT NULL,
    store_id     uuid        NOT NULL,
    ticket_id    uuid        NOT NULL,
    -- As in tickets.opened_by.
    author       text        NOT NULL,
    body         text        NOT NULL CHECK (char_length(body) BETWEEN 1 AND 10000),
    -- What found the exception (again), such as a run: it tells of it once.
    evidence_key text            NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id)
);
CREATE INDEX        ticket_comments_by_ticket     ON ticket_comments (tenant_id, ticket_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX ticket_comments_evidence_once ON ticket_comments (tenant_id, ticket_id, evidence_key)
                                                  WHERE evidence_key IS NOT NULL;

-- Who moved it when.
CREATE TABLE ticket_events (
    tenant_id   uuid        NOT NULL,
    id          uuid        NOT NULL,
    store_id    uuid        NOT NULL,
    ticket_id   uuid        NOT NULL,
    action      text        NOT NULL
                CHECK (action IN ('opened', 'assigned', 'unassigned', 'pended', 'resumed', 'closed', 'reopened')),
    actor       text        NOT NULL,
    -- Whom it was assigned to.
    assignee_id uuid            NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, store_id) REFERENCES stores (tenant_id, id),
    FOREIGN KEY (tenant_id, ticket_id) REFERENCES tickets (tenant_id, id),
    FOREIGN KEY (tenant_id, assignee_id) REFERENCES users (tenant_id, id),
    CONSTRAINT ticket_events_assigned_to_somebody CHECK ((action = 'assigned') = (assignee_id IS NOT NULL))
);
CREATE INDEX ticket_events_by_ticket ON ticket_events (tenant_id, ticket_id, created_at DESC, id DESC);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ticket_counters', 'tickets', 'ticket_comments', 'ticket_events'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format($policy$
            CREATE POLICY tenant ON %I
                USING      (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
                WITH CHECK (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)
        $policy$, name);
        EXECUTE format($policy$
            CREATE POLICY store ON %I AS RESTRICTIVE
                USING (nullif(current_setting('app.store', true), '') IS NULL
                       OR store_id = nullif(current_setting('app.store', true), '')::uuid)
        $policy$, name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE ON ticket_counters, tickets       TO aftercare_app, aftercare_worker;
GRANT SELECT, INSERT         ON ticket_comments, ticket_events TO aftercare_app, aftercare_worker;
