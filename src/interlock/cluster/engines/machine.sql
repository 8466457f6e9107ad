-- The permit machine in PostgreSQL: machine.py says what each step does and answers. `interlock setup URL` runs this
-- text; it can be run again. One call of interlock.step is one step, one transaction, one trip.
--
-- Who locks what, in this order, all by advisory locks that the transaction keeps: the session that calls (shared, so
-- that nobody sweeps it meanwhile), then the records of the step. A sweeper has dead sessions to itself, and takes
-- them and their records only where it need not wait. Where two steps still meet crosswise, PostgreSQL ends one of them,
-- and it is sent again like any call whose answer was lost.
--
-- Each statement costs more than what it does. So the two steps that are taken most, enter and leave of permits, have a
-- quick way (quick_enter, quick_leave), which reads as little as can be. It is for records that are not `crowded`:
-- nobody waits there, and there is no quarantine. What is crowded may not be it any more, never the other way round.
--
-- READ COMMITTED, so that what is read after a lock was waited for is what its last owner left.

CREATE SCHEMA IF NOT EXISTS interlock;

CREATE TABLE IF NOT EXISTS interlock.state (
  prefix text PRIMARY KEY, run text NOT NULL DEFAULT '', quiet bigint NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS interlock.session (
  prefix text, id text, lease bigint NOT NULL, deadline bigint NOT NULL, info text NOT NULL, PRIMARY KEY (prefix, id)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE IF NOT EXISTS interlock.answer (
  prefix text, session text, call text, answer jsonb NOT NULL, PRIMARY KEY (prefix, session, call)
);

CREATE TABLE IF NOT EXISTS interlock.record (
  prefix text, name text, kind text NOT NULL, cap bigint NOT NULL, value bigint NOT NULL, used bigint NOT NULL,
  last bigint NOT NULL, seq bigint NOT NULL, idle bigint, crowded boolean NOT NULL, PRIMARY KEY (prefix, name)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
-- One of version 2. Asked first: to alter it would wait for all steps that are under way.
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'interlock.record'::regclass AND attname = 'crowded') THEN
    ALTER TABLE interlock.record ADD COLUMN crowded boolean NOT NULL DEFAULT true;
  END IF;
END $$;

-- Who holds, waits, or was told. token: 0 while it waits, negative when its barrier broke. holder: of permits, and of
-- nothing while the last party of a barrier acts. target: the lock that a waiter at a condition comes back to.
CREATE TABLE IF NOT EXISTS interlock.waiter (
  prefix text, id text, session text NOT NULL, name text NOT NULL, token bigint NOT NULL, holder boolean NOT NULL,
  units bigint NOT NULL, seq bigint NOT NULL, since bigint NOT NULL, info text NOT NULL,
  target text, target_kind text, target_cap bigint, PRIMARY KEY (prefix, id)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);
CREATE INDEX IF NOT EXISTS waiter_queue ON interlock.waiter (prefix, name, seq) WHERE token = 0;
CREATE INDEX IF NOT EXISTS waiter_session ON interlock.waiter (prefix, session);
CREATE INDEX IF NOT EXISTS session_deadline ON interlock.session (prefix, deadline);

CREATE OR REPLACE FUNCTION interlock.version() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 4';

-- In SQL, so that it is put where it is called. The others are in plpgsql, whose plans are kept: a function in SQL that is
-- not put there is planned at every call.
CREATE OR REPLACE FUNCTION interlock.clock() RETURNS bigint LANGUAGE sql VOLATILE AS
  $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- p: prefix, n: name, t: now. Short, since they stand in every line.

CREATE OR REPLACE FUNCTION interlock.lock(p text, n text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(p || '/' || n, 7236));
END $$;

CREATE OR REPLACE FUNCTION interlock.try_lock(p text, n text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN pg_try_advisory_xact_lock(hashtextextended(p || '/' || n, 7236));
END $$;

CREATE OR REPLACE FUNCTION interlock.alive(p text, s text, t bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (SELECT FROM interlock.session WHERE prefix = p AND id = s AND deadline > t);
END $$;

-- Nobody sweeps a session until the step is over.
CREATE OR REPLACE FUNCTION interlock.hold_session(s text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended(s, 7235));
END $$;

-- The same for the session that calls: nobody sweeps it until the step is over.
CREATE OR REPLACE FUNCTION interlock.keep(p text, s text, t bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM interlock.hold_session(s);
  PERFORM FROM interlock.session WHERE prefix = p AND id = s AND deadline > t;
  RETURN FOUND;
END $$;

CREATE OR REPLACE FUNCTION interlock.tell(s text, w text, v bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF pg_notify('interlock_' || s, w || ' ' || v) IS NULL THEN
    RETURN; -- it is never NULL
  END IF;
END $$;

CREATE OR REPLACE FUNCTION interlock.is_permits(kind text) RETURNS boolean LANGUAGE sql IMMUTABLE AS
  $$ SELECT kind IN ('lock', 'rlock', 'semaphore', 'rwlock') $$;

CREATE OR REPLACE FUNCTION interlock.quiet(p text, t bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN coalesce((SELECT greatest(quiet - t, 0) FROM interlock.state WHERE prefix = p), 0);
END $$;

CREATE OR REPLACE FUNCTION interlock.is_over(r interlock.record, t bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN coalesce(r.idle <= t - 60000000, false) AND r.used = 0
    AND r.value = (CASE WHEN r.kind = 'latch' THEN r.cap ELSE 0 END)
    AND NOT EXISTS (SELECT FROM interlock.waiter w WHERE w.prefix = r.prefix AND w.name = r.name AND w.token = 0);
END $$;

-- The record of a name, locked, made where it is not there. NULL and `other` where it has another shape.
CREATE OR REPLACE FUNCTION interlock.record_of(p text, n text, k text, c bigint, t bigint, OUT r interlock.record,
                                               OUT other jsonb) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM interlock.lock(p, n);
  SELECT * INTO r FROM interlock.record WHERE prefix = p AND name = n;
  IF FOUND AND r.idle <= t - 60000000 AND interlock.is_over(r, t) THEN
    DELETE FROM interlock.record WHERE prefix = p AND name = n;
    r := NULL;
  END IF;
  IF r.name IS NULL THEN
    -- No quarantine begins until this is there to be marked.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended(p, 7238));
    INSERT INTO interlock.record VALUES (p, n, k, c, CASE WHEN k = 'latch' THEN c ELSE 0 END, 0, 0, 0, t,
                                         interlock.quiet(p, t) > 0) RETURNING * INTO r;
  ELSIF r.kind <> k OR r.cap <> c THEN
    other := jsonb_build_array('shape', r.kind, r.cap);
    r := NULL;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION interlock.enqueue(p text, n text, s text, w text, u bigint, since bigint, info text,
                                             target text, kind text, cap bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  number bigint;
BEGIN
  UPDATE interlock.record SET seq = seq + 1, idle = NULL, crowded = true WHERE prefix = p AND name = n
    RETURNING seq INTO number;
  INSERT INTO interlock.waiter VALUES (p, w, s, n, 0, false, u, number, since, info, target, kind, cap)
    ON CONFLICT (prefix, id) DO UPDATE SET name = n, token = 0, holder = false, seq = number, target = NULL;
END $$;

-- Tell the first of the queue of a kind that only tells: all the same v, or 1, 2, 3, ... where v is NULL.
CREATE OR REPLACE FUNCTION interlock.tell_first(p text, n text, count bigint, v bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  w record;
BEGIN
  FOR w IN SELECT id, session, coalesce(v, row_number() OVER (ORDER BY seq)) AS value FROM interlock.waiter
           WHERE prefix = p AND name = n AND token = 0 ORDER BY seq LIMIT count LOOP
    UPDATE interlock.waiter SET token = w.value WHERE prefix = p AND id = w.id;
    PERFORM interlock.tell(w.session, w.id, w.value);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION interlock.next_token(p text, n text, t bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  token bigint;
BEGIN
  UPDATE interlock.record SET last = greatest(last + 1, t) WHERE prefix = p AND name = n RETURNING last INTO token;
  RETURN token;
END $$;

CREATE OR REPLACE FUNCTION interlock.break_barrier(p text, n text, v bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE interlock.record SET value = v WHERE prefix = p AND name = n;
  UPDATE interlock.waiter SET holder = false WHERE prefix = p AND name = n AND holder;
  PERFORM interlock.tell_first(p, n, NULL, -1);
END $$;

-- Permits for the first of the queue, as long as there are some. r: the record, which is locked, as it is.
CREATE OR REPLACE FUNCTION interlock.serve_permits(r interlock.record, t bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  w record;
BEGIN
  WHILE r.used < r.cap LOOP
    SELECT q.id, q.session, q.units, s.deadline > t AS lives,
           (SELECT quiet FROM interlock.state WHERE prefix = r.prefix) > t AS quiet INTO w
      FROM interlock.waiter q LEFT JOIN interlock.session s ON s.prefix = r.prefix AND s.id = q.session
      WHERE q.prefix = r.prefix AND q.name = r.name AND q.token = 0 ORDER BY q.seq LIMIT 1;
    IF NOT FOUND THEN
      UPDATE interlock.record f SET crowded = f.crowded AND interlock.quiet(f.prefix, t) > 0,
        idle = CASE WHEN r.used = 0 THEN t ELSE f.idle END WHERE f.prefix = r.prefix AND f.name = r.name;
      EXIT;
    ELSIF w.lives IS NOT TRUE THEN
      DELETE FROM interlock.waiter WHERE prefix = r.prefix AND id = w.id;
    ELSIF w.quiet OR w.units > r.cap - r.used THEN
      EXIT;
    ELSE
      r.last := greatest(r.last + 1, t);
      r.used := r.used + w.units;
      UPDATE interlock.record SET last = r.last, used = r.used WHERE prefix = r.prefix AND name = r.name;
      UPDATE interlock.waiter SET token = r.last, holder = true, since = t WHERE prefix = r.prefix AND id = w.id;
      PERFORM interlock.tell(w.session, w.id, r.last);
    END IF;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION interlock.serve(p text, n text, t bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r interlock.record;
  waiting bigint;
BEGIN
  SELECT * INTO r FROM interlock.record WHERE prefix = p AND name = n;
  IF interlock.is_permits(r.kind) THEN
    PERFORM interlock.serve_permits(r, t);
    RETURN;
  ELSIF r.kind = 'barrier' AND r.value = 0 THEN
    SELECT count(*) INTO waiting FROM interlock.waiter WHERE prefix = p AND name = n AND token = 0;
    IF waiting >= r.cap THEN
      IF EXISTS (SELECT FROM interlock.waiter q WHERE q.prefix = p AND q.name = n AND q.token = 0
                 AND NOT interlock.alive(p, q.session, t)) THEN
        PERFORM interlock.break_barrier(p, n, 1);
      ELSE
        PERFORM interlock.tell_first(p, n, r.cap, NULL);
      END IF;
    END IF;
  ELSIF r.kind = 'event' AND r.value = 1 THEN
    IF EXISTS (SELECT FROM interlock.waiter WHERE prefix = p AND name = n AND token = 0) THEN
      PERFORM interlock.tell_first(p, n, NULL, interlock.next_token(p, n, t));
    END IF;
  END IF;
  UPDATE interlock.record SET idle = t WHERE prefix = p AND name = n AND used = 0
    AND value = CASE WHEN kind = 'latch' THEN cap ELSE 0 END
    AND NOT EXISTS (SELECT FROM interlock.waiter q WHERE q.prefix = p AND q.name = n AND q.token = 0);
END $$;

-- What follows when a waiter is taken out of whatever it was in, whose record is locked.
CREATE OR REPLACE FUNCTION interlock.dropped(p text, gone interlock.waiter, t bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  r interlock.record;
  still boolean;
BEGIN
  IF gone.holder AND gone.units > 0 THEN
    -- Mostly nobody is there to be served.
    UPDATE interlock.record SET used = used - gone.units, last = greatest(last, gone.token),
      idle = CASE WHEN used = gone.units AND NOT crowded THEN t ELSE idle END
      WHERE prefix = p AND name = gone.name RETURNING crowded INTO still;
    IF NOT still THEN
      RETURN;
    END IF;
  END IF;
  SELECT * INTO r FROM interlock.record WHERE prefix = p AND name = gone.name;
  IF FOUND THEN
    IF r.kind = 'barrier' AND (gone.holder OR gone.token = 0) THEN
      PERFORM interlock.break_barrier(p, gone.name, 1);
    END IF;
    PERFORM interlock.serve(p, gone.name, t);
  END IF;
END $$;

-- Take a waiter out of whatever it is in, whose record is locked. Returns its token.
CREATE OR REPLACE FUNCTION interlock.drop_waiter(p text, w text, t bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  gone interlock.waiter;
BEGIN
  DELETE FROM interlock.waiter WHERE prefix = p AND id = w RETURNING * INTO gone;
  PERFORM interlock.dropped(p, gone, t);
  RETURN gone.token;
END $$;

-- Lock the record in which a waiter is, which may change until it is locked. False where there is no such waiter.
CREATE OR REPLACE FUNCTION interlock.lock_waiter(p text, s text, w text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  found_in text;
  locked text := NULL;
BEGIN
  LOOP
    SELECT name INTO found_in FROM interlock.waiter WHERE prefix = p AND id = w AND session = s;
    IF NOT FOUND THEN
      RETURN false;
    END IF;
    IF found_in = locked THEN
      RETURN true;
    END IF;
    PERFORM interlock.lock(p, found_in);
    locked := found_in;
  END LOOP;
END $$;

-- End a session that is ours alone, as far as its records are free (`wait`: all of it). What waits at a
-- condition may be moved to another record until its own is locked: so names are looked at until all that are there
-- are locked.
CREATE OR REPLACE FUNCTION interlock.finish(p text, s text, t bigint, wait boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  n text;
  w text;
  locked text[] := '{}';
  seen bigint := -1;
BEGIN
  -- Dead before anybody is served: nothing may be granted to it on the way.
  UPDATE interlock.session SET deadline = 0 WHERE prefix = p AND id = s AND deadline <> 0;
  WHILE cardinality(locked) > seen LOOP
    seen := cardinality(locked);
    FOR n IN SELECT DISTINCT name FROM interlock.waiter WHERE prefix = p AND session = s AND NOT name = ANY (locked)
             ORDER BY name LOOP
      IF wait THEN
        PERFORM interlock.lock(p, n);
        locked := locked || n;
      ELSIF interlock.try_lock(p, n) THEN
        locked := locked || n;
      END IF;
    END LOOP;
  END LOOP;
  FOR w IN SELECT id FROM interlock.waiter WHERE prefix = p AND session = s AND name = ANY (locked)
           ORDER BY id COLLATE "C" LOOP
    IF EXISTS (SELECT FROM interlock.waiter WHERE prefix = p AND id = w) THEN
      PERFORM interlock.drop_waiter(p, w, t);
    END IF;
  END LOOP;
  IF NOT EXISTS (SELECT FROM interlock.waiter WHERE prefix = p AND session = s) THEN
    DELETE FROM interlock.answer WHERE prefix = p AND session = s;
    DELETE FROM interlock.session WHERE prefix = p AND id = s;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION interlock.sweep(p text, t bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  s text;
  n text;
BEGIN
  FOR s IN SELECT id FROM interlock.session WHERE prefix = p AND deadline <= t
           ORDER BY deadline, id COLLATE "C" LIMIT 10 LOOP
    IF pg_try_advisory_xact_lock(hashtextextended(s, 7235)) THEN
      -- It may have been renewed, or swept, before it was ours.
      PERFORM FROM interlock.session WHERE prefix = p AND id = s AND deadline <= t;
      IF FOUND THEN
        PERFORM interlock.finish(p, s, t, false);
      END IF;
    END IF;
  END LOOP;
  UPDATE interlock.state SET quiet = 0 WHERE prefix = p AND quiet > 0 AND quiet <= t;
  IF FOUND THEN
    FOR n IN SELECT name FROM interlock.record WHERE prefix = p ORDER BY name COLLATE "C" LOOP
      PERFORM interlock.lock(p, n);
      PERFORM interlock.serve(p, n, t);
    END LOOP;
  END IF;
END $$;

-- Records that are idle for a minute count as not there (`is_over`); a beat deletes some of them.
CREATE OR REPLACE FUNCTION interlock.clean(p text, t bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  n text;
BEGIN
  FOR n IN SELECT name FROM interlock.record WHERE prefix = p AND idle <= t - 60000000 LIMIT 20 LOOP
    IF interlock.try_lock(p, n) THEN
      DELETE FROM interlock.record r WHERE r.prefix = p AND r.name = n AND interlock.is_over(r, t);
    END IF;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION interlock.state_of(token bigint) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN token = 0 THEN '["queued"]'::jsonb WHEN token < 0 THEN '["broken"]'::jsonb
         ELSE jsonb_build_array('granted', token) END
$$;

CREATE OR REPLACE FUNCTION interlock.enter(p text, a text[], t bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  s text := a[1]; w text := a[2]; n text := a[3]; k text := a[4]; c bigint := a[5]; u bigint := a[6];
  r interlock.record;
  made record;
  lives boolean;
  other jsonb;
  mine bigint;
  waiting bigint;
BEGIN
  -- Locks first: what is read then is what their last owners left. The same call may have come twice, and waited here.
  PERFORM interlock.hold_session(s), interlock.lock(p, n);
  SELECT (SELECT deadline > t FROM interlock.session WHERE prefix = p AND id = s),
         (SELECT token FROM interlock.waiter WHERE prefix = p AND id = w AND session = s) INTO lives, mine;
  IF lives IS NOT TRUE THEN
    RETURN '["lost"]';
  END IF;
  IF mine IS NOT NULL THEN
    RETURN interlock.state_of(mine);
  END IF;
  SELECT * INTO made FROM interlock.record_of(p, n, k, c, t);
  r := made.r;
  other := made.other;
  IF other IS NOT NULL THEN
    RETURN other;
  END IF;
  SELECT count(*) INTO waiting FROM (SELECT FROM interlock.waiter WHERE prefix = p AND name = n AND token = 0
                                     LIMIT CASE WHEN k = 'barrier' THEN NULL ELSE 1 END) q;
  IF interlock.is_permits(k) THEN
    IF waiting > 0 AND r.used < r.cap THEN
      PERFORM interlock.serve_permits(r, t);
      SELECT used, last INTO r.used, r.last FROM interlock.record WHERE prefix = p AND name = n;
      SELECT count(*) INTO waiting FROM (SELECT FROM interlock.waiter WHERE prefix = p AND name = n AND token = 0
                                         LIMIT 1) q;
    END IF;
    IF waiting = 0 AND u <= r.cap - r.used AND interlock.quiet(p, t) = 0 THEN
      r.last := greatest(r.last + 1, t);
      UPDATE interlock.record SET last = r.last, used = used + u WHERE prefix = p AND name = n;
      INSERT INTO interlock.waiter VALUES (p, w, s, n, r.last, true, u, 0, t, a[8]);
      RETURN jsonb_build_array('granted', r.last);
    END IF;
  ELSIF k = 'barrier' THEN
    IF r.value = 1 THEN
      RETURN '["broken"]';
    END IF;
  ELSIF r.value = (CASE WHEN k = 'event' THEN 1 ELSE 0 END) THEN
    RETURN jsonb_build_array('granted', interlock.next_token(p, n, t));
  END IF;
  IF a[7] = '0' THEN
    RETURN '["busy"]';
  END IF;
  IF k = 'barrier' AND u = 2 AND waiting = c - 1 AND r.value = 0 THEN
    UPDATE interlock.record SET value = 2 WHERE prefix = p AND name = n;
    INSERT INTO interlock.waiter VALUES (p, w, s, n, c, true, 0, 0, t, a[8]);
    RETURN jsonb_build_array('granted', c);
  END IF;
  PERFORM interlock.enqueue(p, n, s, w, u, t, a[8], NULL, NULL, NULL);
  IF k = 'barrier' AND waiting + 1 >= c THEN
    PERFORM interlock.serve(p, n, t);
    SELECT token INTO mine FROM interlock.waiter WHERE prefix = p AND id = w;
    RETURN interlock.state_of(mine);
  END IF;
  RETURN '["queued"]';
END $$;

CREATE OR REPLACE FUNCTION interlock.leave(p text, a text[], t bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  s text := a[1];
  w text;
  n text;
  gone interlock.waiter;
  answer jsonb := '[]';
BEGIN
  PERFORM interlock.hold_session(s);
  FOREACH w IN ARRAY a[2:] LOOP
    LOOP
      SELECT it.name INTO n FROM interlock.waiter it JOIN interlock.session l ON l.prefix = p AND l.id = s
        WHERE it.prefix = p AND it.id = w AND it.session = s AND l.deadline > t;
      IF NOT FOUND THEN
        answer := answer || '0';
        EXIT;
      END IF;
      PERFORM interlock.lock(p, n);
      -- It may have been moved to another record until this one was locked.
      DELETE FROM interlock.waiter WHERE prefix = p AND id = w AND session = s AND name = n RETURNING * INTO gone;
      IF FOUND THEN
        PERFORM interlock.dropped(p, gone, t);
        answer := answer || CASE WHEN gone.token > 0 THEN '1'::jsonb ELSE '0'::jsonb END;
        EXIT;
      END IF;
    END LOOP;
  END LOOP;
  RETURN answer;
END $$;

CREATE OR REPLACE FUNCTION interlock.beat(p text, a text[], t bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  look bigint;
  still bigint := interlock.quiet(p, t);
  answer jsonb;
BEGIN
  IF NOT interlock.keep(p, a[1], t) THEN
    RETURN '["lost"]';
  END IF;
  -- A call that was held up on its way here does not take back what a later one has given.
  UPDATE interlock.session SET deadline = greatest(deadline, t + lease) WHERE prefix = p AND id = a[1];
  PERFORM interlock.clean(p, t);
  SELECT greatest(deadline - t, 0) INTO look FROM interlock.session WHERE prefix = p AND id <> a[1]
    ORDER BY deadline LIMIT 1;
  IF still > 0 THEN
    look := least(coalesce(look, still), still);
  END IF;
  answer := jsonb_build_array('known', coalesce(look, -1));
  IF a[2] = '1' THEN
    SELECT answer || coalesce(jsonb_agg(v ORDER BY w.id COLLATE "C", o), '[]') INTO answer
      FROM interlock.waiter w,
           LATERAL (VALUES (1, to_jsonb(w.id)), (2, to_jsonb(w.name)), (3, to_jsonb(w.token))) x(o, v)
      WHERE w.prefix = p AND w.session = a[1];
  END IF;
  RETURN answer;
END $$;

-- Let a waiter at a condition queue for its lock. Returns 1, or 0 where it is dead.
CREATE OR REPLACE FUNCTION interlock.move(p text, w text, t bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  it interlock.waiter;
  other jsonb;
BEGIN
  SELECT * INTO it FROM interlock.waiter WHERE prefix = p AND id = w;
  IF interlock.alive(p, it.session, t) THEN
    SELECT f.other INTO other FROM interlock.record_of(p, it.target, it.target_kind, it.target_cap, t) f;
    IF other IS NULL THEN
      PERFORM interlock.enqueue(p, it.target, it.session, w, it.units, it.since, it.info, NULL, NULL, NULL);
      PERFORM interlock.serve(p, it.target, t);
      RETURN 1;
    END IF;
  END IF;
  DELETE FROM interlock.waiter WHERE prefix = p AND id = w;
  RETURN 0;
END $$;

CREATE OR REPLACE FUNCTION interlock.park(p text, a text[], t bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  s text := a[1]; w text := a[2]; n text := a[3]; hold text := a[4]; l text := a[5];
  mine bigint;
  other jsonb;
BEGIN
  IF NOT interlock.keep(p, s, t) THEN
    RETURN '["lost"]';
  END IF;
  PERFORM interlock.lock(p, each) FROM (SELECT unnest(ARRAY[n, l]) AS each ORDER BY 1) x;
  SELECT token INTO mine FROM interlock.waiter WHERE prefix = p AND id = w AND session = s;
  IF FOUND THEN
    RETURN interlock.state_of(mine);
  END IF;
  IF NOT EXISTS (SELECT FROM interlock.waiter WHERE prefix = p AND id = hold AND session = s AND token > 0) THEN
    RETURN '["free"]';
  END IF;
  SELECT f.other INTO other FROM interlock.record_of(p, n, 'condition', 0, t) f;
  IF other IS NOT NULL THEN
    RETURN other;
  END IF;
  PERFORM interlock.enqueue(p, n, s, w, 1, t, a[8], l, a[6], a[7]::bigint);
  PERFORM interlock.lock_waiter(p, s, hold);
  PERFORM interlock.drop_waiter(p, hold, t);
  RETURN '["queued"]';
END $$;

CREATE OR REPLACE FUNCTION interlock.signal(p text, a text[], t bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  n text := a[4]; k text := a[5]; c bigint := a[6]; what text := a[7]; number bigint := a[8];
  r interlock.record;
  made record;
  other jsonb;
BEGIN
  SELECT * INTO made FROM interlock.record_of(p, n, k, c, t);
  r := made.r;
  other := made.other;
  IF other IS NOT NULL THEN
    RETURN other;
  END IF;
  IF what IN ('set', 'clear') THEN
    r.value := CASE WHEN what = 'set' THEN 1 ELSE 0 END;
    UPDATE interlock.record SET value = r.value WHERE prefix = p AND name = n;
  ELSIF what = 'down' THEN
    IF number > r.value THEN
      RETURN '[-1]';
    END IF;
    r.value := r.value - number;
    UPDATE interlock.record SET value = r.value WHERE prefix = p AND name = n;
    IF r.value = 0 THEN
      PERFORM interlock.tell_first(p, n, NULL, interlock.next_token(p, n, t));
    END IF;
  ELSIF what = 'pass' THEN
    IF r.value <> 2 THEN
      RETURN '[1]';
    END IF;
    r.value := 0;
    UPDATE interlock.record SET value = 0 WHERE prefix = p AND name = n;
    UPDATE interlock.waiter SET holder = false WHERE prefix = p AND name = n AND holder;
    PERFORM interlock.tell_first(p, n, c - 1, NULL);
  ELSE
    r.value := CASE WHEN what = 'abort' THEN 1 ELSE 0 END;
    PERFORM interlock.break_barrier(p, n, r.value);
  END IF;
  PERFORM interlock.serve(p, n, t);
  RETURN jsonb_build_array(r.value);
END $$;

CREATE OR REPLACE FUNCTION interlock.notify(p text, a text[], t bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  n text := a[4]; hold text := a[5]; number bigint := a[6];
  l text;
  w text;
  moved bigint := 0;
BEGIN
  SELECT name INTO l FROM interlock.waiter WHERE prefix = p AND id = hold AND session = a[1] AND token > 0;
  IF NOT FOUND THEN
    RETURN '["free"]';
  END IF;
  PERFORM interlock.lock(p, each) FROM (SELECT unnest(ARRAY[n, l]) AS each ORDER BY 1) x;
  WHILE moved < number LOOP
    SELECT id INTO w FROM interlock.waiter WHERE prefix = p AND name = n AND token = 0 AND target IS NOT NULL
      ORDER BY seq LIMIT 1;
    EXIT WHEN NOT FOUND;
    moved := moved + interlock.move(p, w, t);
  END LOOP;
  PERFORM interlock.serve(p, n, t);
  RETURN jsonb_build_array(moved);
END $$;

CREATE OR REPLACE FUNCTION interlock.wake(p text, a text[], t bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  n text;
  moved bigint;
BEGIN
  IF NOT interlock.lock_waiter(p, a[1], a[4]) THEN
    RETURN '[0]';
  END IF;
  SELECT name INTO n FROM interlock.waiter WHERE prefix = p AND id = a[4] AND target IS NOT NULL;
  IF NOT FOUND THEN
    RETURN '[0]';
  END IF;
  moved := interlock.move(p, a[4], t);
  PERFORM interlock.serve(p, n, t);
  RETURN jsonb_build_array(moved);
END $$;

-- Do a step that must not be done twice. The session is kept, so that two calls of one number meet at its answer.
CREATE OR REPLACE FUNCTION interlock.once(p text, op text, a text[], t bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  before jsonb;
  made jsonb;
BEGIN
  IF NOT interlock.keep(p, a[1], t) THEN
    RETURN '["lost"]';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(a[1] || '/' || a[2], 7237));
  SELECT answer INTO before FROM interlock.answer WHERE prefix = p AND session = a[1] AND call = a[2];
  IF FOUND THEN
    RETURN before;
  END IF;
  IF a[3] <> '' THEN
    DELETE FROM interlock.answer WHERE prefix = p AND session = a[1] AND call = ANY (string_to_array(a[3], ' '));
  END IF;
  made := CASE op WHEN 'signal' THEN interlock.signal(p, a, t) WHEN 'notify' THEN interlock.notify(p, a, t)
          ELSE interlock.wake(p, a, t) END;
  INSERT INTO interlock.answer VALUES (p, a[1], a[2], made);
  RETURN made;
END $$;

CREATE OR REPLACE FUNCTION interlock.look(p text, n text, t bigint) RETURNS jsonb LANGUAGE sql AS $$
  WITH records AS (
    SELECT * FROM interlock.record r WHERE prefix = p AND (n = '' OR name = n) AND NOT interlock.is_over(r, t)
  ), people AS (
    SELECT w.* FROM interlock.waiter w JOIN records r ON w.prefix = p AND w.name = r.name WHERE w.holder OR w.token = 0
  )
  SELECT jsonb_build_array(jsonb_build_object(
    'now', t,
    'quiet', interlock.quiet(p, t),
    'records', coalesce((SELECT jsonb_agg(jsonb_build_object(
      'name', r.name, 'kind', r.kind, 'capacity', r.cap, 'used', r.used, 'value', r.value,
      'last', greatest(r.last, (SELECT max(w.token) FROM people w WHERE w.name = r.name AND w.holder AND w.units > 0)),
      'holders', coalesce((SELECT jsonb_agg(jsonb_build_object('waiter', w.id, 'session', w.session,
          'units', w.units, 'token', w.token, 'since', w.since, 'info', w.info) ORDER BY w.token)
        FROM people w WHERE w.name = r.name AND w.holder), '[]'),
      'waiters', coalesce((SELECT jsonb_agg(jsonb_build_object('waiter', w.id, 'session', w.session,
          'units', w.units, 'since', w.since, 'info', w.info) ORDER BY w.seq)
        FROM people w WHERE w.name = r.name AND w.token = 0), '[]')
      ) ORDER BY r.name COLLATE "C") FROM records r), '[]'),
    'sessions', coalesce((SELECT jsonb_object_agg(s.id, jsonb_build_object(
        'left', s.deadline - t, 'lease', s.lease, 'info', s.info))
      FROM interlock.session s WHERE s.prefix = p AND s.id IN (SELECT session FROM people)), '{}'))::text)
$$;

CREATE OR REPLACE FUNCTION interlock.step(p text, op text, a text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  t bigint := interlock.clock();
  life text;
  answer jsonb;
BEGIN
  IF EXISTS (SELECT FROM interlock.session WHERE prefix = p AND deadline <= t)
     OR EXISTS (SELECT FROM interlock.state WHERE prefix = p AND quiet > 0 AND quiet <= t) THEN
    PERFORM interlock.sweep(p, t);
  END IF;
  CASE op
    WHEN 'enter' THEN RETURN interlock.enter(p, a, t);
    WHEN 'leave' THEN RETURN interlock.leave(p, a, t);
    WHEN 'beat' THEN RETURN interlock.beat(p, a, t);
    WHEN 'park' THEN RETURN interlock.park(p, a, t);
    WHEN 'signal', 'notify', 'wake' THEN RETURN interlock.once(p, op, a, t);
    WHEN 'open' THEN
      PERFORM pg_advisory_xact_lock_shared(hashtextextended(a[1], 7235));
      INSERT INTO interlock.session VALUES (p, a[1], a[2]::bigint, t + a[2]::bigint, a[3])
        ON CONFLICT (prefix, id) DO UPDATE SET deadline = greatest(interlock.session.deadline, t + interlock.session.lease);
      RETURN '["open"]';
    WHEN 'close' THEN
      PERFORM pg_advisory_xact_lock(hashtextextended(a[1], 7235));
      PERFORM FROM interlock.session WHERE prefix = p AND id = a[1];
      IF FOUND THEN
        PERFORM interlock.finish(p, a[1], t, true);
      END IF;
      RETURN '["closed"]';
    WHEN 'hello' THEN
      INSERT INTO interlock.state VALUES (p) ON CONFLICT DO NOTHING;
      -- a[1] and a[4] are one life, with and without the start of the server. Where some commits are not durable, the one
      -- with it is kept, no matter who says hello.
      SELECT run INTO life FROM interlock.state WHERE prefix = p;
      IF life NOT IN (a[1], coalesce(a[4], a[1])) THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(p, 7238));
        UPDATE interlock.state SET run = CASE WHEN run LIKE '% %' THEN greatest(a[1], a[4]) ELSE a[1] END,
          quiet = greatest(quiet, t + a[2]::bigint - CASE WHEN run = '' THEN a[3]::bigint ELSE 0 END)
          WHERE prefix = p AND run NOT IN (a[1], coalesce(a[4], a[1]));
        UPDATE interlock.record SET crowded = true WHERE prefix = p;
      ELSIF life < a[1] THEN
        UPDATE interlock.state SET run = a[1] WHERE prefix = p AND run < a[1];
      END IF;
      RETURN jsonb_build_array(interlock.quiet(p, t));
    WHEN 'read' THEN
      SELECT jsonb_build_array(r.kind, r.cap, r.used, (SELECT count(*) FROM interlock.waiter w
          WHERE w.prefix = p AND w.name = r.name AND w.token = 0), r.value, coalesce(h.who, ''), coalesce(h.info, ''))
        INTO answer
        FROM interlock.record r LEFT JOIN (
          SELECT min(s.info) AS who, min(w.info) AS info FROM interlock.waiter w
            LEFT JOIN interlock.session s ON s.prefix = p AND s.id = w.session
            WHERE w.prefix = p AND w.name = a[1] AND w.holder HAVING count(*) = 1 AND min(s.info) <> ''
        ) h ON true
        WHERE r.prefix = p AND r.name = a[1] AND NOT interlock.is_over(r, t);
      RETURN coalesce(answer, '[]');
    WHEN 'look' THEN RETURN interlock.look(p, a[1], t);
    WHEN 'forget' THEN
      PERFORM interlock.lock(p, a[1]);
      DELETE FROM interlock.record r WHERE prefix = p AND name = a[1] AND used = 0
        AND NOT EXISTS (SELECT FROM interlock.waiter w WHERE w.prefix = p AND w.name = a[1] AND w.token = 0);
      RETURN CASE WHEN EXISTS (SELECT FROM interlock.record WHERE prefix = p AND name = a[1]) THEN '[0]' ELSE '[1]'
        END;
  END CASE;
END $$;

-- --- the quick way ---
--
-- What these find to be otherwise goes the long way in the same call. No session is swept: nobody is granted by them what
-- a dead one holds. Locks are taken in expressions, since an expression without a table costs no statement.

-- Granted where it is not crowded and there are permits; queued where there are none at all. That a call has come before
-- is found by the primary key of waiter: an error, on which it is sent by the long way.
CREATE OR REPLACE FUNCTION interlock.quick_enter(p text, s text, w text, n text, k text, c bigint, u bigint, stay text,
                                                 info text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  t bigint := interlock.clock();
  queued boolean;
  token bigint;
  number bigint;
BEGIN
  IF pg_advisory_xact_lock_shared(hashtextextended(s, 7235)) IS NULL
     OR pg_advisory_xact_lock(hashtextextended(p || '/' || n, 7236)) IS NULL THEN
    RETURN NULL; -- they are never NULL
  END IF;
  UPDATE interlock.record SET
    last = CASE WHEN crowded OR used >= cap THEN last ELSE greatest(last + 1, t) END,
    used = CASE WHEN crowded OR used >= cap THEN used ELSE used + u END,
    seq = CASE WHEN crowded OR used >= cap THEN seq + 1 ELSE seq END,
    idle = CASE WHEN crowded OR used >= cap THEN NULL ELSE idle END,
    crowded = crowded OR used >= cap
    WHERE prefix = p AND name = n AND kind = k AND cap = c AND kind IN ('lock', 'rlock', 'semaphore', 'rwlock')
    AND (used >= cap AND stay = '1' OR NOT crowded AND used + u <= cap AND (idle IS NULL OR idle > t - 60000000))
    AND EXISTS (SELECT FROM interlock.session WHERE prefix = p AND id = s AND deadline > t)
    RETURNING crowded, last, seq INTO queued, token, number;
  IF queued THEN
    INSERT INTO interlock.waiter VALUES (p, w, s, n, 0, false, u, number, t, info);
    RETURN '["queued"]';
  ELSIF NOT queued THEN
    INSERT INTO interlock.waiter VALUES (p, w, s, n, token, true, u, 0, t, info);
    RETURN '["granted",' || token || ']';
  END IF;
  RETURN interlock.step(p, 'enter', ARRAY[s, w, n, k, c::text, u::text, stay, info]);
END $$;

-- n: where the waiter probably is. A session that is dead and not yet swept may leave like any other: nobody else was
-- granted what it holds. A sweeper leaves alone what it would have to wait for, so the session need not be locked.
--
-- waited: it is the one permit of n, for which it has waited, so others probably wait, too. It is then handed over without a
-- look at the record, where nothing changes but `last`, which may lag behind the token of the holder until that leaves.
CREATE OR REPLACE FUNCTION interlock.quick_leave(p text, s text, w text, n text, waited boolean) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  many bigint;
  had bigint;
  t bigint;
  r interlock.record;
BEGIN
  IF pg_advisory_xact_lock(hashtextextended(p || '/' || n, 7236)) IS NULL THEN
    RETURN NULL; -- it is never NULL
  END IF;
  DELETE FROM interlock.waiter g WHERE g.prefix = p AND g.id = w AND g.session = s AND g.name = n AND g.holder
    AND g.units > 0 RETURNING g.units, g.token INTO many, had;
  IF many IS NULL THEN
    RETURN interlock.step(p, 'leave', ARRAY[s, w]);
  END IF;
  t := interlock.clock();
  IF waited THEN
    UPDATE interlock.waiter f SET token = greatest(had + 1, t), holder = true, since = t
      WHERE f.ctid = (SELECT q.ctid FROM interlock.waiter q WHERE q.prefix = p AND q.name = n AND q.token = 0
                      ORDER BY q.seq LIMIT 1)
      AND (SELECT deadline FROM interlock.session l WHERE l.prefix = p AND l.id = f.session) > t
      AND (SELECT quiet FROM interlock.state WHERE prefix = p) <= t
      RETURNING f.session, f.id || ' ' || f.token INTO s, w;
    IF FOUND AND pg_notify('interlock_' || s, w) IS NOT NULL THEN
      RETURN '[1]';
    END IF;
  END IF;
  UPDATE interlock.record f SET used = used - many, last = greatest(last, had),
    idle = CASE WHEN used = many AND NOT crowded THEN t ELSE idle END
    WHERE prefix = p AND name = n RETURNING * INTO r;
  IF r.crowded THEN
    PERFORM interlock.serve_permits(r, t);
  END IF;
  RETURN '[1]';
END $$;
