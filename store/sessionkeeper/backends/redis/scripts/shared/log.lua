-- The rules of an append, and its writes. `c` of a frame is the sum of all bytes of its log up to it,
-- so the bytes that a trim frees are one subtraction, less those of removed frames. The limits are the same for all appends of a
-- store: maximum frames and bytes of a log, maximum bytes of the bucket, '1' to drop the oldest frames.
-- The requirements are those of one append: the expected last number ('' for any), its bytes, what a
-- function saw of the session ('' for none), and how many of its frames are odd and gaps, as `odd:gaps`,
-- followed by `:s` if frames name streams ('' for none of all).
local LIMIT_COUNT, REQUIREMENT_COUNT = 4, 4

local function limits_at(at)
  return { frames = tonumber(ARGV[at]), bytes = tonumber(ARGV[at + 1]),
    total = tonumber(ARGV[at + 2]), drops = ARGV[at + 3] == '1' }
end

local function bytes_up_to(log, row, seq)
  local entry = call('XRANGE', log, seq .. '-0', seq .. '-0')[1]
  if entry then return tonumber(entry[2][2]) end
  local removed = removed_frames(row, seq, seq)[1]
  if removed then return removed.sum end
  -- It was lost with all frames before it. The next frame tells their sum.
  local after = call('XRANGE', log, seq .. '-0', '+', 'COUNT', 1)[1]
  return after and after[2][2] - #after[2][6] or row.total
end

-- Return the sum of all bytes before the first frame of a log.
local function bytes_before(row) return row.total - row.bytes - (row.removed or 0) end

-- Return how many of the oldest frames to drop to free `size` bytes, at least `minimum`.
local function count_oldest(log, row, minimum, size)
  local before, first = bytes_before(row), row.last - row.count + 1
  local drop = math.max(0, minimum)
  if drop > 0 then
    before = before + bytes_of(removed_frames(row, first, first + drop - 1))
    if bytes_up_to(log, row, first + drop - 1) - before >= size then return drop end
  end
  if size <= 0 then return drop end
  while true do
    local found = call('XRANGE', log, (first + drop) .. '-0', '+', 'COUNT', 64)
    local removed = #found > 0 and removed_frames(row, first + drop, number_of(found[#found])) or {}
    local at = 1
    for _, entry in ipairs(found) do
      while removed[at] and removed[at].seq < number_of(entry) do
        before, drop, at = before + removed[at].size, drop + 1, at + 1
      end
      drop = drop + 1
      if tonumber(entry[2][2]) - before >= size then return drop end
    end
    if #found == 0 then return drop end
  end
end

-- Return how many frames to drop for new ones in a bucket of `held` bytes, or the limit that forbids it.
local function frames_to_drop(log, row, count, size, limits, held)
  local frames, bytes, total =
    row.count + count - limits.frames, row.bytes + size - limits.bytes, held + size - limits.total
  if frames <= 0 and bytes <= 0 and total <= 0 then return 0 end
  local fewer, smaller = limits.drops and row.count or 0, limits.drops and row.bytes or 0
  if frames > fewer then return nil, { 'LIMIT', 'max_frames_per_session', row.count, limits.frames } end
  if bytes > smaller then return nil, { 'LIMIT', 'max_session_bytes', row.bytes, limits.bytes } end
  if total > smaller then return nil, { 'LIMIT', 'max_total_bytes', held, limits.total } end
  return count_oldest(log, row, frames, math.max(bytes, total))
end

-- Return how many frames to drop first, or why the append is not allowed.
local function check_append(log, row, count, limits, requirements, held)
  local expected, size, mark = ARGV[requirements], tonumber(ARGV[requirements + 1]), ARGV[requirements + 2]
  if expected ~= '' and tonumber(expected) ~= row.last then
    return nil, { 'SEQUENCE', row.last, expected }
  end
  local drop, no = 0, nil
  if count > 0 then drop, no = frames_to_drop(log, row, count, size, limits, held) end
  if no then return nil, no end
  -- After the limits, which do not depend on the function.
  if mark ~= '' and not is_unchanged(row, mark) then
    return nil, { 'MOVED', call('HMGET', row.key, unpack(FIELDS)) }
  end
  return drop
end

-- Forget the removed frames up to a number, of which there are `count` that had `size` bytes.
local function drop_removed(row, last, count, size)
  local key = removed_of(id_of(row.key))
  local left = call_beside('ZCARD', key) - count
  call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', last))
  row.removed = left > 0 and row.removed - size or nil
  if row.removed then call('HSET', row.key, 'v', row.removed) else call('HDEL', row.key, 'v') end
end

-- Drop the oldest `count` frames. Returns their bytes.
local function drop_oldest(log, row, count)
  if count == 0 then return 0 end
  local last = row.last - row.count + count
  local gone = removed_frames(row, 0, last)
  local size = bytes_of(gone)
  local freed = bytes_up_to(log, row, last) - bytes_before(row) - size
  if #gone > 0 then drop_removed(row, last, #gone, size) end
  call('XTRIM', log, 'MINID', '=', (last + 1) .. '-0')
  row.count, row.bytes = row.count - count, row.bytes - freed
  return freed
end

-- Count frames that are no message, given as `odd:gaps…`, of all the session and the bucket ever had.
local function count_odd(key, odd)
  local frames, gaps = string.match(odd, '^(%d+):(%d+)')
  for field, number in pairs({ u = frames, g = gaps }) do
    if number ~= '0' then
      call('HINCRBY', key, field, number)
      call('HINCRBY', META, field == 'u' and 'odd' or 'gaps', number)
    end
  end
end

-- Append the frames in ARGV from `at` on: header, message, header, message, ... Returns their bytes.
-- An append without frames is no activity.
local function append_frames(log, row, count, at, wall, steady, odd)
  if count == 0 then return 0 end
  local seq, total = row.last, row.total
  for i = at, at + 2 * count - 1, 2 do
    seq, total = seq + 1, total + #ARGV[i + 1]
    call('XADD', log, seq .. '-0', 'c', total, 'h', ARGV[i], 'm', ARGV[i + 1])
  end
  local size = total - row.total
  row.last, row.count, row.bytes, row.total = seq, row.count + count, row.bytes + size, total
  call('HSET', row.key, 'q', seq, 'k', row.count, 'z', row.bytes, 't', total, 'a', wall)
  if odd ~= '' then count_odd(row.key, odd) end
  local id = id_of(row.key)
  call('ZADD', IDLE, steady, id)
  announce_change(id, wall)
  return size
end
