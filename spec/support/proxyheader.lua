-- SPDX-License-Identifier: MIT

--- Headers of the PROXY protocol, made as its text says.

local M = {}

M.SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"

--- "PROXY TCP4 10.0.0.1 10.0.0.2 1000 443\r\n"; the words behind "PROXY ".
function M.v1(...)
  return "PROXY " .. table.concat({ ... }, " ") .. "\r\n"
end

--- CRC32c, bit by bit.
function M.crc32c(bytes)
  local crc = 0xFFFFFFFF
  for i = 1, #bytes do
    crc = crc ~ bytes:byte(i)
    for _ = 1, 8 do
      crc = crc & 1 == 1 and crc >> 1 ~ 0x82F63B78 or crc >> 1
    end
  end
  return crc ~ 0xFFFFFFFF
end

--- One TLV: type, length, value.
function M.tlv(kind, value)
  return string.pack(">Bs2", kind, value)
end

--- The header of a command (0x20 LOCAL, 0x21 PROXY), a family and transport, and what follows
--- the head.
function M.v2(command, family, rest)
  return M.SIGNATURE .. string.pack(">BBs2", command, family, rest)
end

--- The same with a TLV that is its sum, plus `off`.
function M.summed(command, family, rest, off)
  local zeros = M.v2(command, family, rest .. M.tlv(3, "\0\0\0\0"))
  local sum = string.pack(">I4", (M.crc32c(zeros) + (off or 0)) & 0xFFFFFFFF)
  return zeros:sub(1, -5) .. sum
end

--- Both addresses of IPv4, as numbers, and their ports.
function M.ipv4(source, destination, from, to)
  return string.pack(">BBBBBBBBI2I2", source[1], source[2], source[3], source[4], destination[1],
    destination[2], destination[3], destination[4], from, to)
end

--- Both of IPv6, 16 bytes each.
function M.ipv6(source, destination, from, to)
  return string.pack(">c16c16I2I2", source, destination, from, to)
end

--- Both paths of Unix sockets.
function M.unix(source, destination)
  return string.pack("c108c108", source, destination)
end

return M
