# Lines that the rules of dangers.yml must find, and some they must leave in peace (semgrep scan --test)


def logged(inbound, log):
    said = inbound.body.decode()
    # ruleid: bytes-of-strangers-logged
    log.info("said", what=said)
    # ok: bytes-of-strangers-logged
    log.info("said", size=len(inbound.body), kind=type(inbound.body).__name__)


def compared(settings, sent, hmac):
    expected = settings.password.get_secret_value()
    # ruleid: secret-compared-in-leaking-time
    if expected == sent:
        return True
    # ok: secret-compared-in-leaking-time
    return hmac.compare_digest(expected, sent)


async def awaited(reader, asyncio):
    # ruleid: time-limit-forgotten
    await reader.readline()
    async with asyncio.timeout(5):
        # ok: time-limit-forgotten
        await reader.readline()


def asked(connection, payment):
    which = f"SELECT 1 FROM entries WHERE key = '{payment.key}'"
    # ruleid: sql-from-parts
    connection.execute(which, ())
    # ok: sql-from-parts
    connection.execute("SELECT 1 FROM entries WHERE key = ?", (payment.key,))


def halved(payment):
    # ruleid: money-through-a-float
    half = payment.amount / 2
    # ok: money-through-a-float
    return half, payment.amount // 2
