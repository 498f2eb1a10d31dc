-- End the life of a member that is proven dead. ARGV: ttl in ms, id.
-- Returns 0, and changes nothing, while a quiet period holds or ought to begin.

if has_gap(tonumber(ARGV[1])) or now < quiet_until then
  return 0
end
bury(ARGV[2])
return 1
