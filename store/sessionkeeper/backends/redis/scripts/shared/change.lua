-- The rules of a change, and its writes. `new` is the wanted session, from the words of
-- `SessionWords`: 1 id, 2 expected ('' for none, 'r:' a revision, 's:' what a function saw), 3 state,
-- 4 '1' if that state is terminal, '-' if the change is no activity, 5 the states it may follow,
-- 6 principal, 7 agreed version, 8 version of the transport, 9 bytes of the metadata, 10 fields,
-- 11 metadata.
local WANTED_WORDS = 11

local function read_wanted(at)
  return {
    expected = ARGV[at + 1], state = ARGV[at + 2], ends = ARGV[at + 3] == '1',
    quiet = ARGV[at + 3] == '-',
    froms = ARGV[at + 4], principal = ARGV[at + 5] ~= '' and ARGV[at + 5] or false,
    agreed = ARGV[at + 6] ~= '' and ARGV[at + 6] or false,
    transport = ARGV[at + 7], size = tonumber(ARGV[at + 8]), fields = ARGV[at + 9],
    held = ARGV[at + 10] ~= '' and ARGV[at + 10] or false,
  }
end

-- Return why a change is not allowed, or nil.
local function find_refusal(row, new, maximum)
  local kind, value = string.sub(new.expected, 1, 1), string.sub(new.expected, 3)
  if kind == 'r' and value ~= row.revision then return { 'REVISION', row.revision } end
  if kind == 's' and not is_unchanged(row, value) then return { 'MOVED', row.raw } end
  if not string.find(new.froms, ',' .. row.state .. ',', 1, true) then
    return { 'TRANSITION', row.state, new.state }
  end
  if row.agreed and new.agreed ~= row.agreed then
    return { 'VERSION', row.agreed, new.agreed or 'none' }
  end
  if new.agreed and new.transport ~= '' and new.transport ~= new.agreed then
    return { 'VERSION', new.agreed, new.transport }
  end
  if new.size > maximum and new.held ~= row.raw[9] then
    return { 'LIMIT', 'max_metadata_bytes', new.size, maximum }
  end
end

local function set_field(key, field, before, after)
  if after then
    if after ~= before then call('HSET', key, field, after) end
  elseif before then
    call('HDEL', key, field)
  end
end

-- Store a change that was checked. Returns the new revision.
local function store_change(row, id, new, wall, steady)
  local key = row.key
  local revision = increment('revision', 1)
  call('HSET', key, 'r', revision, 's', new.state, 'd', new.fields)
  if not new.quiet then call('HSET', key, 'a', wall) end
  set_field(key, 'x', row.raw[9], new.held)
  set_field(key, 'p', row.principal, new.principal)
  set_field(key, 'o', row.agreed, new.agreed)
  if new.ends and not row.ended then
    call('HSET', key, 'e', wall)
    call('ZREM', IDLE, id)
    call('ZREM', AGES, id)
    call('ZADD', ENDED, steady, id)
  elseif not row.ended and not new.quiet then
    call('ZADD', IDLE, steady, id)
  end
  if row.state ~= new.state or row.principal ~= new.principal then
    -- In this order: while a slot moves, an emptied key cannot be written again.
    count_in(new.state, new.principal)
    count_out(row.state, row.principal)
    if new.ends and not row.ended then increment('ended:' .. new.state, 1) end
    announce_change(id, wall)
  end
  return revision
end
