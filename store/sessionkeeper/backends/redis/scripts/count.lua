--@use keys rows changes counters check_types removed repair | ttl_index expire_ttl
-- Count in a store with a `ttl`, where a plain command would count expired sessions. ARGV: 1 'sessions',
-- 'own' or 'all', 2 the principal for 'own'.
if expire_due() then return MORE end --@ttl
if ARGV[1] == 'sessions' then return { 'OK', call('ZCARD', ORDER) } end
if ARGV[1] == 'own' then return { 'OK', tonumber(call('HGET', PRINCIPALS, ARGV[2]) or 0) } end
return { 'OK', call('HGETALL', META) }
