--@use keys clock rows changes counters check_types removed repair filter | ttl_index expire_ttl
-- Find a page of sessions. ARGV: 1 the creation number to start after, 2 limit, 3 how many more may be
-- read, then the query.
if expire_due() then return MORE end --@ttl
local last, limit, looks = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local matches = make_filter(4)
local answer, lost = { 'OK', 0, 0 }, {}
local found, looked = 0, 0
local function finish()
  if #lost > 0 then remove_lost(lost, (read_clock(''))) end
  return answer
end

while true do
  local ids = call('ZRANGEBYSCORE', ORDER, '(' .. string.format('%.0f', last), '+inf', 'WITHSCORES',
    'LIMIT', 0, math.min(limit + 1, 128))
  if #ids == 0 then return finish() end
  for i = 1, #ids, 2 do
    if found == limit or looked == looks + limit then
      answer[2], answer[3] = 1, string.format('%.0f', last)
      return finish()
    end
    looked, last = looked + 1, tonumber(ids[i + 1])
    local row, none = find(key_of(ids[i]), ARGV[6])
    if none and is_gone(ids[i]) then lost[#lost + 1] = ids[i] end
    if row and matches(row) then
      found = found + 1
      answer[#answer + 1] = ids[i]
      answer[#answer + 1] = row.raw
    end
  end
end
