--@use keys clock rows changes removed log
-- Read a session if an append to its log would be accepted now. ARGV: 1 principal, 2 count, 3-6 limits,
-- 7-10 requirements.
local row = find(KEYS[9], ARGV[1])
if not row then return { 'MISSING' } end
if row.ended then return { 'CLOSED', row.state } end
local held = tonumber(call('HGET', META, 'bytes') or 0)
local _, no = check_append(KEYS[10], row, tonumber(ARGV[2]), limits_at(3), 7, held)
return no or { 'OK', row.raw }
