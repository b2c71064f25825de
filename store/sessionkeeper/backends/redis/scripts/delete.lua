--@use keys clock rows writer check_types counters changes removal | ttl_index
-- ARGV: 4 now, 5 principal.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
sound()
remove(row, id_of(row.key), 'deleted', (now(ARGV[4])))
return done({ 'OK', row.raw })
