-- What may be appended, and how. A frame's `c` is what its log held up to it since it began, so
-- what a cut frees is one subtraction. The bounds are the same for all appends of a store: most frames
-- and bytes of a log, most bytes of the bucket, '1' to drop the oldest. The terms are those of one:
-- expected last number ('' for any), bytes, what a function saw of the session ('' for none).
local BOUNDS, TERMS = 4, 3

local function bounds_at(at)
  return { frames = tonumber(ARGV[at]), bytes = tonumber(ARGV[at + 1]),
    total = tonumber(ARGV[at + 2]), drops = ARGV[at + 3] == '1' }
end

local function sum_at(log, row, seq)
  local entry = call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
  if entry then return tonumber(entry[2][2]) end
  -- It was lost with all before it, and what comes after says what that was.
  local after = call('XRANGE', log, seq .. '-0', '+', 'COUNT', 1)[1]
  return after and after[2][2] - #after[2][6] or row.total
end

-- How many of the oldest must go so that `size` bytes are free, at least `least`.
local function to_drop(log, row, least, size)
  local before, first = row.total - row.bytes, row.last - row.count + 1
  local drop = math.max(0, least)
  if drop > 0 and sum_at(log, row, first + drop - 1) - before >= size then return drop end
  if size <= 0 then return drop end
  while true do
    local found = call('XRANGE', log, (first + drop) .. '-0', '+', 'COUNT', 64)
    for _, entry in ipairs(found) do
      drop = drop + 1
      if tonumber(entry[2][2]) - before >= size then return drop end
    end
    if #found == 0 then return drop end
  end
end

-- How many make room for frames where the bucket holds so many bytes, or what limit is in the way.
local function fitting(log, row, count, size, bounds, held)
  local frames, bytes, total =
    row.count + count - bounds.frames, row.bytes + size - bounds.bytes, held + size - bounds.total
  if frames <= 0 and bytes <= 0 and total <= 0 then return 0 end
  local fewer, smaller = bounds.drops and row.count or 0, bounds.drops and row.bytes or 0
  if frames > fewer then return nil, { 'LIMIT', 'max_frames_per_session', row.count, bounds.frames } end
  if bytes > smaller then return nil, { 'LIMIT', 'max_session_bytes', row.bytes, bounds.bytes } end
  if total > smaller then return nil, { 'LIMIT', 'max_total_bytes', held, bounds.total } end
  return to_drop(log, row, frames, math.max(bytes, total))
end

-- How many make room, or why nothing may be appended.
local function room(log, row, count, bounds, terms, held)
  local expected, size, mark = ARGV[terms], tonumber(ARGV[terms + 1]), ARGV[terms + 2]
  if expected ~= '' and tonumber(expected) ~= row.last then
    return nil, { 'SEQUENCE', row.last, expected }
  end
  local drop, no = 0, nil
  if count > 0 then drop, no = fitting(log, row, count, size, bounds, held) end
  if no then return nil, no end
  -- After the limits, which do not depend on what a function made of the session.
  if mark ~= '' and not seen(row, mark) then
    return nil, { 'MOVED', call('HMGET', row.key, unpack(FIELDS)) }
  end
  return drop
end

-- Remove the first `count`; answers the bytes that went.
local function cut(log, row, count)
  if count == 0 then return 0 end
  local last = row.last - row.count + count
  local freed = sum_at(log, row, last) - (row.total - row.bytes)
  call('XTRIM', log, 'MINID', '=', (last + 1) .. '-0')
  row.count, row.bytes = row.count - count, row.bytes - freed
  return freed
end

-- Append what ARGV holds from `at` on: header, message, header, message …; answers their bytes.
-- Nothing at all is no activity.
local function append(log, row, count, at, wall, steady)
  if count == 0 then return 0 end
  local seq, total = row.last, row.total
  for i = at, at + 2 * count - 1, 2 do
    seq, total = seq + 1, total + #ARGV[i + 1]
    call('XADD', log, seq .. '-0', 'c', total, 'h', ARGV[i], 'm', ARGV[i + 1])
  end
  local size = total - row.total
  row.last, row.count, row.bytes, row.total = seq, row.count + count, row.bytes + size, total
  call('HSET', row.key, 'q', seq, 'k', row.count, 'z', row.bytes, 't', total, 'a', wall)
  local id = id_of(row.key)
  call('ZADD', IDLE, steady, id)
  announce(id, wall)
  return size
end
