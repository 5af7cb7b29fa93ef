-- Tables in the singular are ours and may change; views in the plural are promised to people (docs/store.md).
-- Ids are text, data is readable JSON text, times are RFC 3339 in UTC with three decimals, so that text sorts as time does.

CREATE TABLE instance (
    id                TEXT    NOT NULL PRIMARY KEY,
    namespace         TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    version           TEXT    NOT NULL,
    digest            TEXT    NOT NULL,
    key               TEXT    NOT NULL,
    input_digest      TEXT    NOT NULL,
    parent_instance   TEXT,
    parent_execution  INTEGER,
    started_at        TEXT    NOT NULL,
    deadline          TEXT,
    -- The rest changes with every entry.
    seq               INTEGER NOT NULL,
    status            TEXT    NOT NULL,
    output            TEXT,
    error             TEXT,
    updated_at        TEXT    NOT NULL,
    ended_at          TEXT,
    UNIQUE (namespace, name, key)
) STRICT;

CREATE INDEX instance_started ON instance (started_at, id);

-- The rows of one instance go with it: a purge deletes from `instance` only.

CREATE TABLE entry (
    instance  TEXT    NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    at        TEXT    NOT NULL,
    cause     TEXT    NOT NULL,
    version   INTEGER NOT NULL,
    facts     TEXT    NOT NULL,
    PRIMARY KEY (instance, seq)
) STRICT;

CREATE TABLE call (
    id                 TEXT    NOT NULL PRIMARY KEY,
    instance           TEXT    NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    execution          INTEGER NOT NULL,
    reference          TEXT    NOT NULL,
    adapter            TEXT    NOT NULL,
    function           TEXT    NOT NULL,
    function_version   TEXT,
    arguments          TEXT    NOT NULL,
    attempt            INTEGER NOT NULL,
    attempts_allowed   INTEGER,
    timeout_ms         INTEGER,
    deadline           TEXT,
    nonce              TEXT    NOT NULL,
    secrets            TEXT    NOT NULL,
    enqueued_at        TEXT    NOT NULL,
    first_enqueued_at  TEXT    NOT NULL,
    status             TEXT    NOT NULL,
    error              TEXT,
    effect             TEXT,
    next_attempt_at    TEXT,
    paused             INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX call_instance ON call (instance);
CREATE INDEX call_outstanding ON call (id) WHERE status = 'outstanding';
CREATE INDEX call_retrying ON call (next_attempt_at) WHERE status = 'retrying';

CREATE TABLE timer (
    instance   TEXT    NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    execution  INTEGER NOT NULL,
    purpose    TEXT    NOT NULL,
    due        TEXT    NOT NULL,
    PRIMARY KEY (instance, execution, purpose)
) STRICT, WITHOUT ROWID;

CREATE INDEX timer_due ON timer (due, instance, execution, purpose);

-- The empty type stands for all events.
CREATE TABLE subscription (
    instance   TEXT    NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    execution  INTEGER NOT NULL,
    type       TEXT    NOT NULL,
    PRIMARY KEY (instance, execution, type)
) STRICT, WITHOUT ROWID;

CREATE INDEX subscription_type ON subscription (type, instance);

-- Causes on their way to an instance, which need not be there yet.
CREATE TABLE inbox (
    id         TEXT NOT NULL PRIMARY KEY,
    instance   TEXT NOT NULL,
    cause      TEXT NOT NULL,
    namespace  TEXT,
    name       TEXT,
    version    TEXT
) STRICT;

-- Events on their way to the bus.
CREATE TABLE outbox (
    id     TEXT NOT NULL PRIMARY KEY,
    event  TEXT NOT NULL
) STRICT;

CREATE TABLE definition (
    digest  TEXT NOT NULL PRIMARY KEY,
    source  TEXT NOT NULL
) STRICT;

CREATE TABLE deployment (
    namespace    TEXT NOT NULL,
    name         TEXT NOT NULL,
    version      TEXT NOT NULL,
    digest       TEXT NOT NULL REFERENCES definition (digest),
    deployed_at  TEXT NOT NULL,
    PRIMARY KEY (namespace, name, version)
) STRICT, WITHOUT ROWID;

-- What follows is the promise.

CREATE VIEW instances AS
SELECT i.id AS instance_id,
       i.namespace || '/' || i.name || ':' || i.version AS workflow,
       i.namespace, i.name, i.version, i.digest, i.key, i.status,
       (SELECT fact.value -> '$.input'
          FROM entry, json_each(entry.facts) AS fact
         WHERE entry.instance = i.id AND entry.seq = 1 AND fact.value ->> '$.fact' = 'started') AS input,
       i.output,
       i.error ->> '$.type' AS error_type,
       i.error ->> '$.status' AS error_status,
       i.error ->> '$.title' AS error_title,
       i.error ->> '$.detail' AS error_detail,
       i.error ->> '$.instance' AS error_reference,
       i.started_at, i.updated_at, i.ended_at, i.deadline,
       i.parent_instance AS parent_instance_id, i.parent_execution
  FROM instance AS i;

CREATE VIEW journal AS
SELECT entry.instance AS instance_id, entry.seq, entry.at, entry.cause, entry.facts
  FROM entry;

-- One row for each execution of a task. `place` says where in the journal it began: it sorts rows by start.
CREATE VIEW instance_tasks AS
SELECT instance AS instance_id, execution,
       max(value ->> '$.parent') FILTER (WHERE fact = 'taskStarted') AS parent,
       max(value ->> '$.name') FILTER (WHERE fact = 'taskStarted') AS name,
       max(value ->> '$.reference') FILTER (WHERE fact = 'taskStarted') AS reference,
       max(value ->> '$.kind') FILTER (WHERE fact = 'taskStarted') AS kind,
       CASE WHEN count(*) FILTER (WHERE fact = 'taskCompleted') > 0 THEN 'completed'
            WHEN count(*) FILTER (WHERE fact = 'taskFaulted') > 0 THEN 'faulted'
            WHEN count(*) FILTER (WHERE fact = 'taskCancelled') > 0 THEN 'cancelled'
            WHEN max(value ->> '$.kind') FILTER (WHERE fact = 'taskStarted') IN ('wait', 'listen') THEN 'waiting'
            WHEN max(place) FILTER (WHERE fact = 'retrying')
                 > coalesce(max(place) FILTER (WHERE fact IN ('retried', 'handling')), 0) THEN 'waiting'
            ELSE 'running' END AS status,
       coalesce(max(value ->> '$.attempt') FILTER (WHERE fact = 'called'), 1) AS attempts,
       min(at) FILTER (WHERE fact = 'taskStarted') AS started_at,
       max(at) FILTER (WHERE fact IN ('taskCompleted', 'taskFaulted', 'taskCancelled')) AS ended_at,
       max(value -> '$.error') FILTER (WHERE fact = 'taskFaulted') AS error,
       min(place) FILTER (WHERE fact = 'taskStarted') AS place
  FROM (SELECT entry.instance, entry.at, entry.seq * 1000000 + item.key AS place, item.value,
               item.value ->> '$.fact' AS fact, item.value ->> '$.execution' AS execution
          FROM entry, json_each(entry.facts) AS item)
 WHERE fact IN ('taskStarted', 'called', 'retrying', 'retried', 'handling',
                'taskCompleted', 'taskFaulted', 'taskCancelled')
 GROUP BY instance, execution
UNION ALL
SELECT entry.instance, NULL, item.value ->> '$.parent', item.value ->> '$.name', item.value ->> '$.reference',
       item.value ->> '$.kind', 'skipped', 0, entry.at, entry.at, NULL, entry.seq * 1000000 + item.key
  FROM entry, json_each(entry.facts) AS item
 WHERE item.value ->> '$.fact' = 'taskSkipped';

CREATE VIEW calls AS
SELECT call.id AS call_id, call.instance AS instance_id,
       instance.namespace || '/' || instance.name || ':' || instance.version AS workflow,
       call.execution, call.reference, call.adapter, call.function, call.function_version, call.arguments,
       call.status, call.attempt, call.attempts_allowed, call.enqueued_at, call.first_enqueued_at,
       call.next_attempt_at, call.timeout_ms, call.deadline,
       call.error ->> '$.type' AS error_type,
       call.error ->> '$.status' AS error_status,
       call.error ->> '$.title' AS error_title,
       call.error ->> '$.detail' AS error_detail,
       call.error ->> '$.instance' AS error_reference,
       call.effect, call.paused
  FROM call JOIN instance ON instance.id = call.instance;

CREATE VIEW retry_queue AS
SELECT call_id, instance_id, workflow, reference, adapter, function, attempt, attempts_allowed, next_attempt_at,
       error_type, error_status, error_title, error_detail, error_reference, effect,
       first_enqueued_at, deadline, paused
  FROM calls
 WHERE status = 'retrying';

CREATE VIEW timers AS
SELECT timer.instance AS instance_id,
       instance.namespace || '/' || instance.name || ':' || instance.version AS workflow,
       timer.execution, timer.purpose, timer.due AS due_at
  FROM timer JOIN instance ON instance.id = timer.instance;

CREATE VIEW workflows AS
SELECT deployment.namespace || '/' || deployment.name || ':' || deployment.version AS workflow,
       deployment.namespace, deployment.name, deployment.version, deployment.digest, deployment.deployed_at,
       definition.source
  FROM deployment JOIN definition ON definition.digest = deployment.digest;
