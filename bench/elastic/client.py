"""HTTP/1.1 over asyncio, as little of it as the bench needs: POST, an answer with a length, connections that stay."""
import asyncio
import time


class Client:
    """Requests to one daemon; connections are made as needed and used again."""

    def __init__(self, port):
        self._port = port
        self._free = []

    async def call(self, function, body=b""):
        """(status, seconds to the answer's first byte)."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        begun = time.perf_counter()
        writer.write(b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (function.encode(), len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        took = time.perf_counter() - begun
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)
        if length:
            await reader.readexactly(length)
        if b"Connection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))
        return int(head[9:12]), took

    def close(self):
        for _, writer in self._free:
            writer.close()
        self._free.clear()

    async def closed_loop(self, function, workers, seconds, body=b""):
        """As many calls as these workers get through, one after the other each: (seconds since the beginning at its end, status, seconds it took)."""
        begun, calls = time.perf_counter(), []

        async def work():
            while time.perf_counter() - begun < seconds:
                status, took = await self.call(function, body)
                calls.append((time.perf_counter() - begun, status, took))

        await asyncio.gather(*(work() for _ in range(workers)))
        return calls

    async def open_loop(self, function, rate, seconds, body=b""):
        """Calls at a fixed rate, whatever becomes of them; each is timed from when it was due, so that a slow answer does not hide the ones behind it."""
        begun, calls, running = time.perf_counter(), [], set()

        async def call(due):
            status, _ = await self.call(function, body)
            now = time.perf_counter() - begun
            calls.append((now, status, now - due))

        for number in range(int(rate * seconds)):
            due = number / rate
            ahead = due - (time.perf_counter() - begun)
            if ahead > 0.0005:
                await asyncio.sleep(ahead)
            task = asyncio.ensure_future(call(due))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
        return calls
