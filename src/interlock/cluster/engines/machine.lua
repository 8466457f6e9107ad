-- The permit machine in Redis: machine.py says what each step does and answers. One call of this script is one step.
--
-- KEYS[1] is "{prefix}"; every other key begins with it, so all lie in one slot of a Redis Cluster:
--
--   :d        zset   session -> deadline in us
--   :s        hash   session -> lease in us, a space, info
--   :m:ID     hash   what a session has: waiter -> token, a space, name    (token 0: it waits; +token: only told)
--   :a:ID     hash   answers of a session: call -> answer
--   :b:ID     stream the inbox of a session
--   :n        set    names of records
--   :i        zset   names that are idle -> since
--   :r:NAME   hash   kind, cap, value, used, last, seq; and holders: h:WAITER -> session units token since info
--   :q:NAME   zset   the queue: waiter -> order
--   :w:NAME   hash   those in the queue: waiter -> session units since target info
--   :x        hash   run, quiet
--
-- The target of a waiter at a condition is "kind capacity length-of-name name" of its lock, else "-".

local P = KEYS[1]
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

-- The quick way of enter and leave of permits, where nobody waits and there is no quarantine: with as few commands as can
-- be, and before all functions, each of which costs something in every call. It changes nothing where something else is
-- the case; then the step goes the long way. It sweeps no session: nobody is granted by it what a dead one holds.
if ARGV[1] == 'enter' then
  local session, waiter, name, kind = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
  if kind == 'lock' or kind == 'rlock' or kind == 'semaphore' or kind == 'rwlock' then
    local key, units = P .. ':r:' .. name, tonumber(ARGV[7])
    local f = call('HMGET', key, 'kind', 'cap', 'used', 'last')
    local cap, used = tonumber(f[2] or 0), tonumber(f[3] or 0)
    if f[1] == kind and f[2] == ARGV[6] and units <= cap - used and call('EXISTS', P .. ':q:' .. name) == 0
      and (call('HGET', P .. ':x', 'quiet') or '0') == '0' then
      local deadline = call('ZSCORE', P .. ':d', session)
      if deadline and tonumber(deadline) > now then
        local token = math.max(f[4] + 1, now)
        local text = string.format('%.0f', token)
        -- Not there before: so the call has not come before.
        if call('HSETNX', P .. ':m:' .. session, waiter, text .. ' ' .. name) == 1 then
          call('HSET', key, 'last', text, 'used', string.format('%.0f', used + units), 'h:' .. waiter,
            session .. ' ' .. ARGV[7] .. ' ' .. text .. ' ' .. string.format('%.0f', now) .. ' ' .. ARGV[9])
          return { 'granted', token }
        end
      end
    end
  end
elseif ARGV[1] == 'leave' and #ARGV == 3 then
  local session, waiter = ARGV[2], ARGV[3]
  local has = call('HGET', P .. ':m:' .. session, waiter)
  local name = has and string.match(has, '^%d+ (.*)$')
  if name and call('EXISTS', P .. ':q:' .. name) == 0 then
    local key, field = P .. ':r:' .. name, 'h:' .. waiter
    local f = call('HMGET', key, 'used', field)
    local units = f[2] and tonumber(string.match(f[2], '^%S+ (%S+)')) or 0
    if units > 0 then
      local used = f[1] - units
      call('HDEL', key, field)
      call('HSET', key, 'used', string.format('%.0f', used))
      call('HDEL', P .. ':m:' .. session, waiter)
      if used == 0 then call('ZADD', P .. ':i', now, name) end
      return { 1 }
    end
  end
end

local SWEEP, IDLE = 10, 60000000
local PERMITS = { lock = true, rlock = true, semaphore = true, rwlock = true }

local function int(number)
  return string.format('%.0f', number)
end

-- Who a session is: what stands before the ':' of its waiters' ids.
local function session_of(waiter)
  return string.match(waiter, '^(.*):')
end

local function alive(session)
  local deadline = call('ZSCORE', P .. ':d', session)
  return deadline and tonumber(deadline) > now
end

-- token and name of what a session has
local function mine(session, waiter)
  local has = call('HGET', P .. ':m:' .. session, waiter)
  if not has then return nil end
  local space = string.find(has, ' ', 1, true)
  return tonumber(string.sub(has, 1, space - 1)), string.sub(has, space + 1)
end

local function set_mine(session, waiter, token, name)
  call('HSET', P .. ':m:' .. session, waiter, int(token) .. ' ' .. name)
end

local function tell(session, waiter, value)
  call('XADD', P .. ':b:' .. session, 'MAXLEN', '~', 1000, '*', 'w', waiter, 'v', int(value))
end

-- A record in numbers; nil where there is none.
local function load(name)
  local f = call('HMGET', P .. ':r:' .. name, 'kind', 'cap', 'value', 'used', 'last')
  if not f[1] then return nil end
  return {
    name = name, key = P .. ':r:' .. name, queue = P .. ':q:' .. name, waiting = P .. ':w:' .. name,
    kind = f[1], cap = tonumber(f[2]), value = tonumber(f[3]), used = tonumber(f[4]), last = tonumber(f[5]),
  }
end

-- The record of a name, made where it is not there; or nil and the answer where it has another shape.
local function record(name, kind, cap)
  local r = load(name)
  if not r then
    local value = kind == 'latch' and cap or 0
    call('HSET', P .. ':r:' .. name, 'kind', kind, 'cap', int(cap), 'value', int(value), 'used', 0, 'last', 0)
    call('SADD', P .. ':n', name)
    call('ZADD', P .. ':i', now, name)
    return load(name)
  end
  if r.kind ~= kind or r.cap ~= cap then return nil, { 'shape', r.kind, r.cap } end
  return r
end

local function token_of(r)
  r.last = math.max(r.last + 1, now)
  call('HSET', r.key, 'last', int(r.last))
  return r.last
end

local function set_value(r, value)
  r.value = value
  call('HSET', r.key, 'value', int(value))
end

local function enqueue(r, session, waiter, units, since, target, info)
  local seq = call('HINCRBY', r.key, 'seq', 1)
  call('ZADD', r.queue, seq, waiter)
  call('HSET', r.waiting, waiter, table.concat({ session, units, since, target, info }, ' '))
end

-- Of one in the queue: session, units, since, target, info; nil where the server has forgotten that.
local function waiting(r, waiter)
  local text = call('HGET', r.waiting, waiter)
  if not text then return nil end
  local session, units, since, rest = string.match(text, '^(%S+) (%S+) (%S+) (.*)$')
  if string.sub(rest, 1, 1) == '-' then return session, tonumber(units), since, '-', string.sub(rest, 3) end
  local kind, cap, length = string.match(rest, '^(%S+) (%S+) (%S+) ')
  local ends = #kind + #cap + #length + 3 + tonumber(length)
  return session, tonumber(units), since, string.sub(rest, 1, ends), string.sub(rest, ends + 2)
end

local function dequeue(r, waiter)
  call('HDEL', r.waiting, waiter)
  return call('ZREM', r.queue, waiter)
end

local function queue_length(r)
  return call('ZCARD', r.queue)
end

local function head(r)
  return call('ZRANGE', r.queue, 0, 0)[1]
end

local function grant(r, waiter, session, units, info)
  local token = token_of(r)
  r.used = r.used + units
  call('HSET', r.key, 'used', int(r.used), 'h:' .. waiter,
    table.concat({ session, int(units), int(token), int(now), info }, ' '))
  set_mine(session, waiter, token, r.name)
  return token
end

local quiet = nil
local function is_quiet()
  if quiet == nil then quiet = tonumber(call('HGET', P .. ':x', 'quiet') or 0) end
  return now < quiet
end

-- Tell the first of the queue of a kind that only tells, and let them go. values: a number for all, or a table.
local function tell_first(r, count, values)
  for i, waiter in ipairs(call('ZRANGE', r.queue, 0, count - 1)) do
    local session = session_of(waiter)
    local value = type(values) == 'table' and values[i] or values
    dequeue(r, waiter)
    if call('HEXISTS', P .. ':m:' .. session, waiter) == 1 then
      call('HSET', P .. ':m:' .. session, waiter, (value > 0 and '+' or '') .. int(value) .. ' ' .. r.name)
      tell(session, waiter, value)
    end
  end
end

local function up_to(n)
  local values = {}
  for i = 1, n do values[i] = i end
  return values
end

-- Holders of nothing: of a barrier whose last party acts.
local function clear_holders(r)
  for _, field in ipairs(call('HKEYS', r.key)) do
    if string.sub(field, 1, 2) == 'h:' then call('HDEL', r.key, field) end
  end
end

local function break_barrier(r, value)
  if r.value == 2 then clear_holders(r) end
  set_value(r, value)
  tell_first(r, queue_length(r), -1)
end

local function is_idle(r)
  return r.used == 0 and r.value == (r.kind == 'latch' and r.cap or 0) and queue_length(r) == 0
end

local function serve(r)
  if PERMITS[r.kind] then
    local waiter = head(r)
    while waiter do
      local session, units, _, _, info = waiting(r, waiter)
      if not session or not alive(session) then
        dequeue(r, waiter)
        call('HDEL', P .. ':m:' .. session_of(waiter), waiter)
      elseif is_quiet() or units > r.cap - r.used then
        break
      else
        dequeue(r, waiter)
        tell(session, waiter, grant(r, waiter, session, units, info))
      end
      waiter = head(r)
    end
  elseif r.kind == 'barrier' then
    if r.value == 0 and queue_length(r) >= r.cap then
      local dead = false
      for _, waiter in ipairs(call('ZRANGE', r.queue, 0, -1)) do
        if not alive(session_of(waiter)) then dead = true end
      end
      if dead then break_barrier(r, 1) else tell_first(r, r.cap, up_to(r.cap)) end
    end
  elseif r.kind == 'event' and r.value == 1 then
    if queue_length(r) > 0 then tell_first(r, queue_length(r), token_of(r)) end
  end
  if is_idle(r) then call('ZADD', P .. ':i', now, r.name) end
end

-- Take a waiter out of whatever it is in. Returns its token.
local function drop(session, waiter)
  local token, name = mine(session, waiter)
  call('HDEL', P .. ':m:' .. session, waiter)
  local r = load(name)
  if not r then return token end
  local held = call('HGET', r.key, 'h:' .. waiter)
  if held then
    local units = tonumber(string.match(held, '^%S+ (%S+)'))
    call('HDEL', r.key, 'h:' .. waiter)
    r.used = r.used - units
    if units > 0 then call('HSET', r.key, 'used', int(r.used)) end
    if r.kind == 'barrier' then break_barrier(r, 1) end
  elseif dequeue(r, waiter) == 1 and r.kind == 'barrier' then
    break_barrier(r, 1)
  end
  serve(r)
  return token
end

local function finish(session)
  -- Dead before anybody is served: nothing may be granted to it on the way.
  call('ZREM', P .. ':d', session)
  local waiters = call('HKEYS', P .. ':m:' .. session)
  table.sort(waiters)
  for _, waiter in ipairs(waiters) do
    if call('HEXISTS', P .. ':m:' .. session, waiter) == 1 then drop(session, waiter) end
  end
  call('HDEL', P .. ':s', session)
  call('DEL', P .. ':m:' .. session, P .. ':a:' .. session, P .. ':b:' .. session)
end

local function sweep()
  for _, session in ipairs(call('ZRANGEBYSCORE', P .. ':d', '-inf', int(now), 'LIMIT', 0, SWEEP)) do
    finish(session)
  end
  local ends = call('HGET', P .. ':x', 'quiet')
  if ends and tonumber(ends) > 0 and tonumber(ends) <= now then
    call('HSET', P .. ':x', 'quiet', 0)
    quiet = 0
    local names = call('SMEMBERS', P .. ':n')
    table.sort(names)
    for _, name in ipairs(names) do
      local r = load(name)
      if r then serve(r) end
    end
  end
  for _, name in ipairs(call('ZRANGEBYSCORE', P .. ':i', '-inf', int(now - IDLE), 'LIMIT', 0, SWEEP)) do
    call('ZREM', P .. ':i', name)
    local r = load(name)
    if r and is_idle(r) then
      call('DEL', r.key, r.queue, r.waiting)
      call('SREM', P .. ':n', name)
    end
  end
end

local step = {}

function step.hello(run, longest, age)
  local before = call('HGET', P .. ':x', 'run')
  if before ~= run then
    is_quiet()
    quiet = math.max(quiet, now + tonumber(longest) - (before and 0 or tonumber(age)))
    call('HSET', P .. ':x', 'run', run, 'quiet', int(quiet))
  end
  return { is_quiet() and quiet - now or 0 }
end

function step.open(session, lease, info)
  local known = call('HGET', P .. ':s', session)
  if known then
    lease = string.match(known, '^%S+')
  else
    call('HSET', P .. ':s', session, lease .. ' ' .. info)
  end
  call('ZADD', P .. ':d', int(now + tonumber(lease)), session)
  return { 'open' }
end

function step.beat(session, everything)
  if not alive(session) then return { 'lost' } end
  local lease = tonumber(string.match(call('HGET', P .. ':s', session), '^%S+'))
  call('ZADD', P .. ':d', int(now + lease), session)
  local look = -1
  local first = call('ZRANGE', P .. ':d', 0, 1, 'WITHSCORES')
  for i = 1, #first, 2 do
    if first[i] ~= session then
      look = math.max(0, tonumber(first[i + 1]) - now)
      break
    end
  end
  if is_quiet() and (look < 0 or quiet - now < look) then look = quiet - now end
  local answer = { 'known', look }
  if everything == '1' then
    local all = call('HGETALL', P .. ':m:' .. session)
    for i = 1, #all, 2 do
      local token, name = string.match(all[i + 1], '^(%S+) (.*)$')
      -- Is it where it has to be? A server that is full may forget keys, one by one.
      local there = true
      if token == '0' then
        there = call('ZSCORE', P .. ':q:' .. name, all[i])
      elseif string.find(token, '^%d') then
        there = call('HEXISTS', P .. ':r:' .. name, 'h:' .. all[i]) == 1
      end
      if there then
        answer[#answer + 1] = all[i]
        answer[#answer + 1] = name
        answer[#answer + 1] = tonumber(token)
      else
        call('HDEL', P .. ':m:' .. session, all[i])
      end
    end
  end
  return answer
end

function step.close(session)
  finish(session)
  return { 'closed' }
end

local function state_of(token)
  if token == 0 then return { 'queued' } end
  if token < 0 then return { 'broken' } end
  return { 'granted', token }
end

function step.enter(session, waiter, name, kind, cap, units, stay, info)
  if not alive(session) then return { 'lost' } end
  local token = mine(session, waiter)
  if token then return state_of(token) end
  cap, units = tonumber(cap), tonumber(units)
  local r, other = record(name, kind, cap)
  if not r then return other end
  local length = queue_length(r)
  if PERMITS[kind] then
    if length > 0 then
      serve(r)
      length = queue_length(r)
    end
    if length == 0 and units <= r.cap - r.used and not is_quiet() then
      return { 'granted', grant(r, waiter, session, units, info) }
    end
  elseif kind == 'barrier' then
    if r.value == 1 then return { 'broken' } end
  elseif r.value == (kind == 'event' and 1 or 0) then
    return { 'granted', token_of(r) }
  end
  if stay == '0' then return { 'busy' } end
  if kind == 'barrier' and units == 2 and length == cap - 1 and r.value == 0 then
    set_value(r, 2)
    call('HSET', r.key, 'h:' .. waiter, table.concat({ session, '0', int(cap), int(now), info }, ' '))
    set_mine(session, waiter, cap, name)
    return { 'granted', cap }
  end
  enqueue(r, session, waiter, int(units), int(now), '-', info)
  set_mine(session, waiter, 0, name)
  if kind == 'barrier' and length + 1 >= cap then
    serve(r)
    return state_of(mine(session, waiter))
  end
  return { 'queued' }
end

function step.leave(session, ...)
  local answer = {}
  local lives = alive(session)
  for i, waiter in ipairs({ ... }) do
    answer[i] = lives and mine(session, waiter) and drop(session, waiter) > 0 and 1 or 0
  end
  return answer
end

-- Do a step that must not be done twice.
local function once(session, number, seen, act)
  if not alive(session) then return { 'lost' } end
  local key = P .. ':a:' .. session
  local before = call('HGET', key, number)
  if before then return cjson.decode(before) end
  for each in string.gmatch(seen, '%S+') do call('HDEL', key, each) end
  local answer = act()
  call('HSET', key, number, cjson.encode(answer))
  return answer
end

function step.signal(session, number, seen, name, kind, cap, what, n)
  cap, n = tonumber(cap), tonumber(n)
  return once(session, number, seen, function()
    local r, other = record(name, kind, cap)
    if not r then return other end
    if what == 'set' or what == 'clear' then
      set_value(r, what == 'set' and 1 or 0)
    elseif what == 'down' then
      if n > r.value then return { -1 } end
      set_value(r, r.value - n)
      if r.value == 0 then tell_first(r, queue_length(r), token_of(r)) end
    elseif what == 'pass' then
      if r.value ~= 2 then return { 1 } end
      set_value(r, 0)
      clear_holders(r)
      tell_first(r, cap - 1, up_to(cap - 1))
    else
      break_barrier(r, what == 'abort' and 1 or 0)
    end
    local value = r.value
    serve(r)
    return { value }
  end)
end

function step.park(session, waiter, name, hold, lock, kind, cap, info)
  if not alive(session) then return { 'lost' } end
  local token = mine(session, waiter)
  if token then return state_of(token) end
  if (mine(session, hold) or 0) <= 0 then return { 'free' } end
  local r, other = record(name, 'condition', 0)
  if not r then return other end
  enqueue(r, session, waiter, '1', int(now), table.concat({ kind, cap, #lock, lock }, ' '), info)
  set_mine(session, waiter, 0, name)
  drop(session, hold)
  return { 'queued' }
end

-- Let a waiter at a condition queue for its lock. Returns 1, or 0 where it is dead.
local function move(r, waiter)
  local session, units, since, target, info = waiting(r, waiter)
  dequeue(r, waiter)
  if not alive(session) then
    call('HDEL', P .. ':m:' .. session, waiter)
    return 0
  end
  local kind, cap, _, lock = string.match(target, '^(%S+) (%S+) (%S+) (.*)$')
  local l = record(lock, kind, tonumber(cap))
  if not l then
    call('HDEL', P .. ':m:' .. session, waiter)
    return 0
  end
  enqueue(l, session, waiter, int(units), since, '-', info)
  set_mine(session, waiter, 0, lock)
  serve(l)
  return 1
end

function step.notify(session, number, seen, name, hold, n)
  return once(session, number, seen, function()
    if (mine(session, hold) or 0) <= 0 then return { 'free' } end
    local r = load(name)
    local moved = 0
    if r then
      local waiter = head(r)
      while waiter and moved < tonumber(n) do
        moved = moved + move(r, waiter)
        waiter = head(r)
      end
      serve(r)
    end
    return { moved }
  end)
end

function step.wake(session, number, seen, waiter)
  return once(session, number, seen, function()
    local _, name = mine(session, waiter)
    local r = name and load(name)
    if not r or r.kind ~= 'condition' then return { 0 } end
    local moved = move(r, waiter)
    serve(r)
    return { moved }
  end)
end

function step.read(name)
  local r = load(name)
  if not r then return {} end
  local who, what, number = '', '', 0
  if r.used > 0 and call('HLEN', r.key) < 20 then
    local fields = call('HGETALL', r.key)
    for i = 1, #fields, 2 do
      if string.sub(fields[i], 1, 2) == 'h:' then
        number = number + 1
        local session, info = string.match(fields[i + 1], '^(%S+) %S+ %S+ %S+ (.*)$')
        local known = call('HGET', P .. ':s', session)
        if known then who, what = string.match(known, '^%S+ (.*)$'), info end
      end
    end
  end
  if number ~= 1 or who == '' then who, what = '', '' end
  return { r.kind, r.cap, r.used, queue_length(r), r.value, who, what }
end

-- Not by cjson, which writes large numbers as 1.7e+15: what it makes is read by programs in other languages too.
local function quoted(text)
  return cjson.encode(text)
end

local function describe(r, named)
  local holders, waiters = {}, {}
  local fields = call('HGETALL', r.key)
  local found = {}
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 2) == 'h:' then
      local session, units, token, since, info = string.match(fields[i + 1], '^(%S+) (%S+) (%S+) (%S+) (.*)$')
      named[session] = true
      found[#found + 1] = { tonumber(token), '{"waiter":' .. quoted(string.sub(fields[i], 3)) .. ',"session":'
        .. quoted(session) .. ',"units":' .. units .. ',"token":' .. token .. ',"since":' .. since .. ',"info":'
        .. quoted(info) .. '}' }
    end
  end
  table.sort(found, function(a, b) return a[1] < b[1] end)
  for i, each in ipairs(found) do holders[i] = each[2] end
  for i, waiter in ipairs(call('ZRANGE', r.queue, 0, -1)) do
    local session, units, since, _, info = waiting(r, waiter)
    named[session] = true
    waiters[i] = '{"waiter":' .. quoted(waiter) .. ',"session":' .. quoted(session) .. ',"units":' .. int(units)
      .. ',"since":' .. since .. ',"info":' .. quoted(info) .. '}'
  end
  return '{"name":' .. quoted(r.name) .. ',"kind":' .. quoted(r.kind) .. ',"capacity":' .. int(r.cap)
    .. ',"used":' .. int(r.used) .. ',"value":' .. int(r.value) .. ',"last":' .. int(r.last)
    .. ',"holders":[' .. table.concat(holders, ',') .. '],"waiters":[' .. table.concat(waiters, ',') .. ']}'
end

function step.look(name)
  local names = name ~= '' and { name } or call('SMEMBERS', P .. ':n')
  table.sort(names)
  local records, named, sessions = {}, {}, {}
  for _, each in ipairs(names) do
    local r = load(each)
    if r then records[#records + 1] = describe(r, named) end
  end
  for session in pairs(named) do
    local known = call('HGET', P .. ':s', session)
    if known then
      local lease, info = string.match(known, '^(%S+) (.*)$')
      local deadline = tonumber(call('ZSCORE', P .. ':d', session) or 0)
      sessions[#sessions + 1] = quoted(session) .. ':{"left":' .. int(deadline - now) .. ',"lease":' .. lease
        .. ',"info":' .. quoted(info) .. '}'
    end
  end
  return { '{"now":' .. int(now) .. ',"quiet":' .. int(is_quiet() and quiet - now or 0) .. ',"records":['
    .. table.concat(records, ',') .. '],"sessions":{' .. table.concat(sessions, ',') .. '}}' }
end

function step.forget(name)
  local r = load(name)
  if r and (r.used > 0 or queue_length(r) > 0) then return { 0 } end
  call('DEL', P .. ':r:' .. name, P .. ':q:' .. name, P .. ':w:' .. name)
  call('SREM', P .. ':n', name)
  return { 1 }
end

sweep()
return step[ARGV[1]](unpack(ARGV, 2))
