-- The index of the frames that name a stream: a sorted set for each session whose log has such frames.
-- All scores are 0, so the members are in the order of their bytes: the length of the stream's name in
-- one byte, the name, the frame's number in 16 digits. The field `j` of the session's hash tells that
-- there is an index. For logs without streams no command is added.
local SLICE = 100
-- How many parts a frame's detail has, by its first byte, if the last of them is a stream.
local PARTS = { [0x94] = 4, [0x96] = 6 }
-- By the first byte, how many bytes of a number in MessagePack follow, and where the bytes of a `bin` begin.
local NUMBERS = { [0xcc] = 1, [0xcd] = 2, [0xce] = 4, [0xcf] = 8, [0xd0] = 1, [0xd1] = 2, [0xd2] = 4, [0xd3] = 8 }
local BINS = { [0xc4] = 2, [0xc5] = 3, [0xc6] = 5 }

local function member_of(prefix, seq) return prefix .. string.format('%016.0f', seq) end

-- Return the stream in the header of a frame, after its length; nil if there is none. A header is a tuple
-- of a small number, a number, and the detail or nil. `cmsgpack` cannot read a `bin`, which the detail is.
local function prefix_in(header)
  local at = 4 + (NUMBERS[string.byte(header, 3)] or 0)
  local bin = BINS[string.byte(header, at)]
  local parts = bin and PARTS[string.byte(header, at + bin)]
  local stream = parts and cmsgpack.unpack(string.sub(header, at + bin))[parts]
  return stream and string.char(#stream) .. stream
end

-- Return how many members an index has. It comes before the first write: a key of another type, or one
-- that may be on the other node of its moving slot, stops the script here.
local function index_size(key)
  local size = redis.pcall('ZCARD', key)
  if type(size) ~= 'table' then return size end
  if not string.find(size.err, 'non local key', 1, true) then error(size) end
  error({ err = 'TRYAGAIN the slot is moving, in script: streams' })
end

-- The same for scripts that remove a session with all that it has.
local function check_index(row, id)
  if row.indexed then index_size(index_of(id)) end
end

-- Return the members for the frames of a log from one number to another, in their order.
local function entries_of(log, first, last)
  local entries, bound = {}, string.format('%.0f-0', last)
  while first <= last do
    local frames = call('XRANGE', log, string.format('%.0f-0', first), bound, 'COUNT', SLICE)
    for _, frame in ipairs(frames) do
      local seq = tonumber(string.match(frame[1], '^%d+'))
      local prefix = prefix_in(frame[2][4])
      if prefix then entries[#entries + 1] = member_of(prefix, seq) end
      first = seq + 1
    end
    if #frames < SLICE then break end
  end
  return entries
end

-- Add members; return how many are new.
local function add_entries(key, entries)
  local new = 0
  for from = 1, #entries, SLICE do
    local pairs_of = {}
    for i = from, math.min(from + SLICE - 1, #entries) do
      pairs_of[#pairs_of + 1] = 0
      pairs_of[#pairs_of + 1] = entries[i]
    end
    new = new + call('ZADD', key, unpack(pairs_of))
  end
  return new
end

-- Return how the index changes when the first `drop` frames of a log go and `count` frames, in ARGV from
-- `at` on, come after its last; nil if it does not. `odd` is the requirement of an append that tells
-- whether its frames name streams. Call it after all other checks, and before the first write: it adds
-- again what was lost, because somebody deleted the key or an older library let it expire.
local function plan_index(log, row, drop, count, at, odd)
  local adds = string.find(odd, ':s', 1, true)
  if not adds and not (row.indexed and drop > 0) then return nil end
  local plan = { key = index_of(id_of(row.key)), added = {}, gone = {} }
  plan.size = index_size(plan.key)
  local first = row.last - row.count + 1
  if row.indexed and drop > 0 then plan.gone = entries_of(log, first, first + drop - 1) end
  for i = 1, adds and count or 0 do
    local prefix = prefix_in(ARGV[at + 2 * i - 2])
    if prefix then plan.added[#plan.added + 1] = member_of(prefix, row.last + i) end
  end
  if row.indexed and plan.size == 0 then
    plan.size = add_entries(plan.key, entries_of(log, first, row.last))
  elseif not row.indexed and plan.size > 0 then -- of a session that an older library removed
    plan.gone = call('ZRANGE', plan.key, 0, -1)
  end
  return plan
end

-- Make the planned change. What is added comes first: while a slot moves, an emptied key cannot be written.
local function change_index(row, plan)
  local size, stays, gone = plan.size + add_entries(plan.key, plan.added), {}, {}
  for _, entry in ipairs(plan.added) do stays[entry] = true end
  for _, entry in ipairs(plan.gone) do
    if not stays[entry] then gone[#gone + 1] = entry end
  end
  for from = 1, #gone, SLICE do
    size = size - call('ZREM', plan.key, unpack(gone, from, math.min(from + SLICE - 1, #gone)))
  end
  if size <= 0 then
    call('HDEL', row.key, 'j')
    row.indexed = false
  elseif not row.indexed then
    call('HSET', row.key, 'j', 1)
    row.indexed = '1'
  end
end

-- Return the numbers of a stream's frames from `first` to `last`, at most `limit`, in order; the newest
-- ones if `newest`. A lost index is made up for by reading the log.
local function stream_numbers(log, row, prefix, first, last, limit, newest)
  if not row.indexed or first > last or limit < 1 then return {} end
  local key, found = index_of(id_of(row.key)), nil
  if index_size(key) == 0 then
    local all = {}
    for _, entry in ipairs(entries_of(log, first, last)) do
      if string.sub(entry, 1, -17) == prefix then all[#all + 1] = entry end
    end
    local from = newest and math.max(1, #all - limit + 1) or 1
    found = {}
    for i = from, math.min(#all, from + limit - 1) do found[#found + 1] = all[i] end
  else
    local low, high = '[' .. member_of(prefix, first), '[' .. member_of(prefix, last)
    if newest then
      local back = call('ZRANGE', key, high, low, 'BYLEX', 'REV', 'LIMIT', 0, limit)
      found = {}
      for i = #back, 1, -1 do found[#found + 1] = back[i] end
    else
      found = call('ZRANGE', key, low, high, 'BYLEX', 'LIMIT', 0, limit)
    end
  end
  for i, entry in ipairs(found) do found[i] = tonumber(string.sub(entry, -16)) end
  return found
end
