-- The index of the frames that name a stream: a sorted set for each session whose log has such frames.
-- All scores are 0, so the members are in the order of their bytes: the length of the stream's name in
-- one byte, the name, the frame's number in 16 digits. The field `j` of the session's hash tells that
-- there is an index. For logs without streams no command is added.
local SLICE = 100

local function member_of(prefix, seq) return prefix .. string.format('%016.0f', seq) end

-- Return the stream in the header of a frame, after its length; nil if there is none.
local function prefix_in(header)
  local _, detail = detail_in(header)
  local stream = stream_in(detail)
  return stream and string.char(#stream) .. stream
end

-- Check the sorted sets beside a log, before a script removes them with it.
local function check_beside(row, id)
  if row.indexed then call_beside('ZCARD', index_of(id)) end
  if row.removed then call_beside('ZCARD', removed_of(id)) end
end

-- Return the members for the frames of a log from one number to another, in their order.
local function entries_of(log, row, first, last)
  local entries, bound = {}, string.format('%.0f-0', last)
  while first <= last do
    local frames = call('XRANGE', log, string.format('%.0f-0', first), bound, 'COUNT', SLICE)
    local ends = #frames < SLICE
    local up_to = ends and last or number_of(frames[#frames])
    for _, frame in ipairs(with_removed(frames, removed_frames(row, first, up_to))) do
      local prefix = prefix_in(frame[2][4])
      if prefix then entries[#entries + 1] = member_of(prefix, number_of(frame)) end
    end
    if ends then break end
    first = up_to + 1
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
  plan.size = call_beside('ZCARD', plan.key)
  local first = row.last - row.count + 1
  if row.indexed and drop > 0 then plan.gone = entries_of(log, row, first, first + drop - 1) end
  for i = 1, adds and count or 0 do
    local prefix = prefix_in(ARGV[at + 2 * i - 2])
    if prefix then plan.added[#plan.added + 1] = member_of(prefix, row.last + i) end
  end
  if row.indexed and plan.size == 0 then
    plan.size = add_entries(plan.key, entries_of(log, row, first, row.last))
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
  if call_beside('ZCARD', key) == 0 then
    local all = {}
    for _, entry in ipairs(entries_of(log, row, first, last)) do
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
