-- The rules of a new session, and its writes.

-- Return why a new session is not allowed, or nil.
local function find_new_refusal(new, bounds)
  local no = find_excess(nil, new, bounds)
  if no then return no end
  if new.agreed and new.transport ~= '' and new.transport ~= new.agreed then
    return { 'VERSION', new.agreed, new.transport }
  end
end

-- Choose the sessions to evict for a new one, and read them before anything is changed; or return why
-- there is no room. `in_orders` is what `check_orders` is to know of the new one, and of the one that it
-- replaces. `leaving` is the id of the ended session that goes anyway, or nil.
local function choose_evicted(maximum, policy, in_orders, leaving)
  local sessions, gone = call('ZCARD', ORDER), leaving and 1 or 0
  local missing = math.max(0, sessions - gone - maximum + 1)
  local chosen = {}
  local evictable = 0
  if policy ~= 'reject' then
    evictable = (policy == 'evict-ended' and call('ZCARD', ENDED) or sessions) - gone
  end
  if evictable < missing then return nil, { 'LIMIT', 'max_sessions', sessions, maximum } end
  for _, each in ipairs(missing > 0 and call('ZRANGE', ENDED, 0, missing - 1 + gone) or {}) do
    if each ~= leaving and #chosen < missing then chosen[#chosen + 1] = each end
  end
  if #chosen < missing then
    for _, each in ipairs(call('ZRANGE', IDLE, 0, missing - #chosen - 1)) do
      chosen[#chosen + 1] = each
    end
  end
  for i, each in ipairs(chosen) do
    local row = find(key_of(each), '')
    if not row then is_gone(each) end -- fails if it is only on the other node of its slot
    chosen[i] = { id = each, row = row }
    in_orders = in_orders or (row and (row.expires or row.ended))
    call('XLEN', log_of(each))
    if row then check_beside(row, each) end
  end
  check_orders(in_orders)
  return chosen
end

-- Remove the chosen sessions. Returns ids and rows in turns.
local function evict(chosen, wall)
  local evicted = {}
  for _, each in ipairs(chosen) do
    if each.row then
      remove_session(each.row, each.id, 'evicted', wall)
      evicted[#evicted + 1] = each.id
      evicted[#evicted + 1] = each.row.raw
    else
      remove_lost({ each.id }, wall)
    end
  end
  return evicted
end

-- Store a new session that was checked, over the ended one of its id if `row` is there. No key is emptied
-- before it is written: while a slot moves, that would fail. Returns what is stored.
local function add_session(key, id, new, incarnation, wall, steady, row)
  local number, revision = increment('number', 1), increment('revision', 1)
  local held, principal, agreed, expires = false, false, false, false
  if row then held, principal, agreed, expires = row.raw[9], row.principal, row.agreed, row.expires end
  -- Fields that an append uses come first: a small hash is searched from its beginning.
  call('HSET', key, 'q', 0, 'k', 0, 'z', 0, 't', 0, 'a', wall, 'r', revision, 's', new.state,
    'n', number, 'c', wall, 'd', new.fields, 'i', incarnation)
  set_field(key, 'x', held, new.held)
  set_field(key, 'p', principal, new.principal)
  set_field(key, 'o', agreed, new.agreed)
  set_field(key, 'w', expires, new.expires)
  local there = call('ZADD', ORDER, number, id) == 0
  if there and not row then -- a session of this id was lost: remove what it left
    remove_lost({ id }, wall)
    call('ZADD', ORDER, number, id)
  end
  increment('created', 1)
  count_in(new.state, new.principal)
  if new.ends then
    call('HSET', key, 'e', wall)
    call('ZADD', ENDED, steady, id)
    note_end(id, new.state, steady)
  else
    call('ZADD', IDLE, steady, id)
    call('ZADD', AGES, steady, id)
    note_expiry(id, false, new.expires)
  end
  if row then
    if not new.ends then
      call('HDEL', key, 'e')
      call('ZREM', ENDED, id)
      call('ZREM', USED, id)
    end
    call('HDEL', key, 'u', 'g', 'b', 'j', 'v')
    remove_log(row, id)
    increment('gone:deleted', 1)
    count_out(row.state, row.principal)
    if row.count > 0 then
      increment('removed', row.count)
      increment('bytes', -row.bytes)
    end
    announce_change(id, wall)
  end
  return call('HMGET', key, unpack(FIELDS))
end
