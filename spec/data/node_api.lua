-- SPDX-License-Identifier: MIT

-- Made by node_api.js from Node v26.10.0; "()" marks functions.

return {
  net = [[
    BlockList BoundSocket Server Socket SocketAddress Stream connect() createConnection()
    createServer() getDefaultAutoSelectFamily() getDefaultAutoSelectFamilyAttemptTimeout()
    isIP() isIPv4() isIPv6() setDefaultAutoSelectFamily()
    setDefaultAutoSelectFamilyAttemptTimeout()]],
  server = [[
    [Symbol.asyncDispose]() address() allowHalfOpen close() getConnections() highWaterMark
    keepAlive keepAliveInitialDelay listen() listening noDelay pauseOnConnect ref() unref()]],
  socket = [[
    [Symbol.asyncDispose]() [Symbol.asyncIterator]() address() allowHalfOpen bufferSize
    bytesRead bytesWritten closed compose() connect() connecting cork() destroy() destroySoon()
    destroyed drop() end() errored every() filter() find() flatMap() forEach()
    getTypeOfService() isPaused() iterator() localAddress localFamily localPort map() pause()
    pending pipe() push() read() readable readableAborted readableBuffer readableDidRead
    readableEncoding readableEnded readableFlowing readableHighWaterMark readableLength
    readableObjectMode readyState reduce() ref() remoteAddress remoteFamily remotePort
    resetAndDestroy() resume() server setDefaultEncoding() setEncoding() setKeepAlive()
    setNoDelay() setTimeout() setTypeOfService() some() take() timeout toArray() uncork()
    unpipe() unref() unshift() wrap() writable writableBuffer writableCorked writableEnded
    writableFinished writableHighWaterMark writableLength writableNeedDrain writableObjectMode
    write()]],
  BlockList = [[
    PRIVATE_RANGES isBlockList()]],
  blockList = [[
    addAddress() addAddresses() addCIDR() addCIDRs() addRange() addSubnet() check() clear()
    fromJSON() removeAddress() removeCIDR() removeRange() removeSubnet() rules size toJSON()]],
  SocketAddress = [[
    isSocketAddress() parse()]],
  socketAddress = [[
    address family flowlabel port toJSON()]],
  BoundSocket = [[
    ]],
  boundSocket = [[
    [Symbol.dispose]() address() close() fd() isPipe]],
  events = [[
    EventEmitter EventEmitterAsyncResource addAbortListener() captureRejectionSymbol
    captureRejections defaultMaxListeners errorMonitor getEventListeners() getMaxListeners()
    init() listenerCount() on() once() setMaxListeners() usingDomains]],
  emitter = [[
    addListener() emit() eventNames() getMaxListeners() listenerCount() listeners() off() on()
    once() prependListener() prependOnceListener() rawListeners() removeAllListeners()
    removeListener() setMaxListeners()]],
  timers = [[
    clearImmediate() clearInterval() clearTimeout() promises setImmediate() setInterval()
    setTimeout()]],
  timeout = [[
    [Symbol.dispose]() close() hasRef() ref() refresh() unref()]],
  immediate = [[
    [Symbol.dispose]() hasRef() ref() unref()]],
  AbortSignal = [[
    abort() any() timeout()]],
  abortSignal = [[
    aborted addEventListener() dispatchEvent() onabort reason removeEventListener()
    throwIfAborted()]],
  abortController = [[
    abort() signal]],
}
