--@use keys clock rows changes counters check_types orders removed repair filter | ttl_index expire_ttl
-- Find a page of sessions by last activity, newest first. ARGV: 1 the moment of the place to start after in
-- microseconds or '', 2 the creation number of that place, 3 limit, 4 how many more may be read, then the
-- query. Of one moment, those that were created last come first.
if expire_due() then return MORE end --@ttl
local limit, looks, matches = tonumber(ARGV[3]), tonumber(ARGV[4]), make_filter(5)
local begin, after = tonumber(ARGV[1]), tonumber(ARGV[2])

-- Put sessions into USED that an older library ended, some in each call, in order of creation. It may end
-- more meanwhile; then `listed` stays behind, and the next call begins again.
local STEP = 500
local function list_ended()
  local counts = call('HMGET', META, 'ended:closed', 'ended:failed', 'ended:timed-out', 'listed',
    'listing:from', 'listing:missing')
  for i = 1, 4 do counts[i] = tonumber(counts[i] or 0) end
  local missing = counts[1] + counts[2] + counts[3] - counts[4]
  if missing == 0 then return false end
  check_types()
  check_orders(true)
  if not counts[5] then
    call('HSET', META, 'listing:from', 0, 'listing:missing', missing)
    counts[5], counts[6] = '0', missing
  end
  local ids = call('ZRANGEBYSCORE', ORDER, '(' .. counts[5], '+inf', 'WITHSCORES', 'LIMIT', 0, STEP)
  for i = 1, #ids, 2 do
    local times = call('HMGET', key_of(ids[i]), 'e', 'a')
    if times[1] then call('ZADD', USED, times[2], ids[i]) end
  end
  if #ids == 2 * STEP then
    call('HSET', META, 'listing:from', string.format('%.0f', ids[#ids]))
  else
    call('HINCRBY', META, 'listed', counts[6])
    call('HDEL', META, 'listing:from', 'listing:missing')
  end
  return true
end
if list_ended() then return MORE end

-- Read an order of moments from the newest on. `id` and `moment` are those of its next session.
local function read_order(key)
  local chunk, at, offset, order = {}, 1, 0, { key = key }
  function order.advance()
    if at > #chunk then
      chunk = call('ZRANGE', key, begin and ARGV[1] or '+inf', '-inf', 'BYSCORE', 'REV',
        'LIMIT', offset, 128, 'WITHSCORES')
      at, offset = 1, offset + #chunk / 2
    end
    order.id, order.moment = chunk[at], tonumber(chunk[at + 1] or '-inf')
    at = at + 2
  end
  order.advance()
  return order
end

local live, used = read_order(IDLE), read_order(USED)
local answer, lost, stale = { 'OK', 0, 0, 0 }, {}, {}
local found, looked, last = 0, 0, nil

local function finish(is_more)
  if is_more then
    answer[2], answer[3] = 1, string.format('%.0f', last[1])
    answer[4] = string.format('%.0f', last[2])
  end
  for _, each in ipairs(stale) do redis.pcall('ZREM', USED, each) end
  if #lost > 0 then remove_lost(lost, (read_clock(''))) end
  return answer
end

-- Add the next session of an order to those of its moment, if it is there and belongs into that order.
local function take(order, group)
  local row, none = find(key_of(order.id), '')
  if row and (not row.ended) == (order == live) then
    group[#group + 1] = { id = order.id, row = row, number = tonumber(row.number) }
  else
    looked = looked + 1
    if none and is_gone(order.id) and (order == live or call('ZREM', ORDER, order.id) == 1) then
      lost[#lost + 1] = order.id
    elseif order == used then
      stale[#stale + 1] = order.id -- an older library deleted it
    end
  end
  order.advance()
end

while live.id or used.id do
  local moment, group = math.max(live.moment, used.moment), {}
  if looked > looks + limit then -- nothing but ids whose session is gone
    last = last or { moment + 1, 0 }
    return finish(true)
  end
  for _, order in ipairs({ live, used }) do
    while order.id and order.moment == moment do take(order, group) end
  end
  table.sort(group, function(one, other) return one.number > other.number end)
  for _, each in ipairs(group) do
    if moment ~= begin or each.number < after then
      if found == limit or looked >= looks + limit then return finish(true) end
      looked, last = looked + 1, { moment, each.number }
      if matches(each.row) then
        found = found + 1
        answer[#answer + 1] = each.id
        answer[#answer + 1] = each.row.raw
        answer[#answer + 1] = string.format('%.0f', moment)
      end
    end
  end
end
return finish(false)
