--@use keys rows
-- Read several sessions in one step. ARGV: 1 principal.
local answer = { 'OK' }
for i = PAIRS + 1, #KEYS do
  local row = find(KEYS[i], ARGV[1])
  if not row then return { 'MISSING', i - PAIRS } end
  answer[#answer + 1] = row.raw
end
return answer
