--@use keys clock rows writer check_types orders counters changes headers removed streams removal repair | ttl_index expire_ttl
-- Remove ended sessions. ARGV: 4 time, 6 ended before and 7 ended for, in microseconds, 8 limit. It
-- reads all sessions before it removes one.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
if expire_due() then return MORE end --@ttl
check_types()
check_orders(true)
local wall, steady = read_clock(ARGV[4])
local before, bound = tonumber(ARGV[6]), steady - tonumber(ARGV[7])
local limit, due, lost = tonumber(ARGV[8]), {}, {}

-- Page by page: an id whose session is gone takes no place.
local function collect()
  local from = 0
  while #due < limit do
    local ids = call('ZRANGEBYSCORE', ENDED, '-inf', bound, 'LIMIT', from, limit)
    for _, id in ipairs(ids) do
      if #due == limit or #lost == MAX_LOST then return end
      local row = find(key_of(id), '')
      if row then
        if tonumber(row.ended) >= before then return end
        call('XLEN', log_of(id))
        check_beside(row, id)
        due[#due + 1] = { id = id, row = row }
      elseif is_gone(id) then
        lost[#lost + 1] = id
      end
    end
    if #ids < limit then return end
    from = from + limit
  end
end

collect()
if #lost > 0 then remove_lost(lost, wall) end
if #lost == MAX_LOST then return MORE end
local answer = { 'OK' }
for _, each in ipairs(due) do
  remove_session(each.row, each.id, 'purged', wall)
  answer[#answer + 1] = each.id
  answer[#answer + 1] = each.row.raw
end
return record(answer)
