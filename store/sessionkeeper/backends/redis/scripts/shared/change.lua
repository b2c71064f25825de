-- The rules of a change, and its writes. `new` is the wanted session, from the fields of
-- `SessionArguments`: 1 id, 2 expected ('' for none, 'r:' a revision, 's:' what a function saw), 3 state,
-- 4 '1' if that state is terminal, '-' if the change is no activity, 5 the states it may follow,
-- 6 principal, 7 agreed version, 8 version of the transport, 9 bytes of the metadata, 10 number and
-- 11 bytes of the tags, 12 fields, 13 metadata, 14 when it expires, in microseconds, or ''.
local WANTED_FIELDS = 14

local function read_wanted(at)
  return {
    expected = ARGV[at + 1], state = ARGV[at + 2], ends = ARGV[at + 3] == '1',
    quiet = ARGV[at + 3] == '-',
    froms = ARGV[at + 4], principal = ARGV[at + 5] ~= '' and ARGV[at + 5] or false,
    agreed = ARGV[at + 6] ~= '' and ARGV[at + 6] or false,
    transport = ARGV[at + 7], size = tonumber(ARGV[at + 8]), tags = tonumber(ARGV[at + 9]),
    tag_bytes = tonumber(ARGV[at + 10]), fields = ARGV[at + 11],
    held = ARGV[at + 12] ~= '' and ARGV[at + 12] or false,
    expires = ARGV[at + 13] ~= '' and ARGV[at + 13] or false,
  }
end

-- What a session may hold: maximum bytes of its metadata, and so of its tags, and maximum tags.
local function bounds_at(at) return { bytes = tonumber(ARGV[at]), tags = tonumber(ARGV[at + 1]) } end

local function has_same_tags(row, new)
  local before, after = cjson.decode(row.raw[8]).tags or {}, cjson.decode(new.fields).tags or {}
  if #before ~= #after then return false end
  for i, tag in ipairs(after) do
    if before[i] ~= tag then return false end
  end
  return true
end

-- Return why a session is too large, or nil. What `row` holds already may stay; `row` is nil for a new one.
local function find_excess(row, new, bounds)
  if new.size > bounds.bytes and not (row and new.held == row.raw[9]) then
    return { 'LIMIT', 'max_metadata_bytes', new.size, bounds.bytes, 'metadata' }
  end
  if new.tags <= bounds.tags and new.tag_bytes <= bounds.bytes then return nil end
  if row and has_same_tags(row, new) then return nil end
  if new.tags > bounds.tags then return { 'LIMIT', 'max_tags', new.tags, bounds.tags, 'tags' } end
  return { 'LIMIT', 'max_metadata_bytes', new.tag_bytes, bounds.bytes, 'tags' }
end

-- Return why a change is not allowed, or nil.
local function find_refusal(row, new, bounds)
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
  return find_excess(row, new, bounds)
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
  set_field(key, 'w', row.expires, new.expires)
  if not row.ended then note_expiry(id, row.expires, not new.ends and new.expires) end
  if new.ends and not row.ended then
    call('HSET', key, 'e', wall)
    call('ZREM', IDLE, id)
    call('ZREM', AGES, id)
    call('ZADD', ENDED, steady, id)
    note_end(id, new.state, steady)
  elseif not new.quiet then
    call('ZADD', row.ended and USED or IDLE, steady, id)
  end
  if row.state ~= new.state or row.principal ~= new.principal then
    -- In this order: while a slot moves, an emptied key cannot be written again.
    count_in(new.state, new.principal)
    count_out(row.state, row.principal)
    announce_change(id, wall)
  end
  return revision
end
