--@use keys clock rows changes counters check_types removed repair | ttl_index expire_ttl
-- List all sessions of the bucket in order of creation. ARGV: 1 principal.
if expire_due() then return MORE end --@ttl
local answer, lost = { 'OK' }, {}
for _, id in ipairs(call('ZRANGE', ORDER, 0, -1)) do
  local row, none = find(key_of(id), ARGV[1])
  if row then
    answer[#answer + 1] = id
    answer[#answer + 1] = row.raw
  elseif none and is_gone(id) then
    lost[#lost + 1] = id
  end
end
if #lost > 0 then remove_lost(lost, (read_clock(''))) end
return answer
