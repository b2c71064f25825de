-- Taking a session away with its log. `kind` says why, for the counters.
local function remove(row, id, kind, wall)
  call('DEL', row.key)
  call('UNLINK', log_of(id))
  call('ZREM', ORDER, id)
  call('ZREM', IDLE, id)
  call('ZREM', AGES, id)
  call('ZREM', ENDED, id)
  call('ZREM', DUE, id) --@ttl
  call('HDEL', KEPT, id) --@ttl
  add('gone:' .. kind, 1)
  leave(row.state, row.principal)
  if row.count > 0 then
    add('removed', row.count)
    add('bytes', -row.bytes)
  end
  announce(id, wall)
end
