"""What the ledger must do, written down a second time, as plainly as possible, in memory."""

import copy
import math
from datetime import timedelta

FOREVER = timedelta(days=100_000)
MICRO_PER_GPU_S, MINIMUM = 300, 2  # of the machine's rate


class Refused(Exception):  # noqa: N818
    """Carries the code of the error that the ledger must raise."""


class Model:
    """One account: every pot of credits is a dict, every operation a method."""

    def __init__(self):
        self.grants, self.holds, self.captures, self.refunds, self.disputes = {}, {}, {}, {}, {}
        self.kinds, self.ended, self.answers = {}, set(), {}

    def copy(self):
        return copy.deepcopy(self)

    def apply(self, request, now):
        """Returns (seq, kind, amount, available, held), or the code of the refusal."""
        body = request._replace(key="")
        if request.key in self.answers:
            before, answer = self.answers[request.key]
            return answer if before == body else "key_reused"
        kept = copy.deepcopy(self.__dict__)
        try:
            amount = getattr(self, request.kind)(request, now)
        except Refused as refused:
            self.__dict__ = kept
            return str(refused)
        seq = len(self.kinds) + 1
        self.kinds[seq] = request.kind
        answer = (seq, request.kind, amount, self.total("available"), self.total("held"))
        self.answers[request.key] = body, answer
        return answer

    def total(self, pot):
        return sum(grant[pot] for grant in self.grants.values())

    def can_spend(self, now):
        return sum(
            grant["available"]
            for grant in self.grants.values()
            if grant["available"] < 0 or grant["from"] <= now < grant["until"]
        )

    def due(self, now):
        """Returns what should have ended."""
        ended = [seq for seq, hold in self.holds.items() if hold["until"] <= now]
        return [seq for seq in ended if seq not in self.ended] + [
            seq
            for seq, grant in self.grants.items()
            if grant["until"] <= now and grant["available"] > 0 < self.total("available")
        ]

    # Each method below: changes the pots, returns the amount, or refuses.

    def grant(self, request, now):
        begins = request.effective_at or now
        if request.expires_at is not None:
            if request.grant_kind == "paid" or request.expires_at <= max(now, begins):
                raise Refused("invalid")
        self.grants[len(self.kinds) + 1] = {
            "kind": request.grant_kind,
            "priority": request.priority or 0,
            "from": begins,
            "until": request.expires_at or now + FOREVER,
            "amount": request.amount,
            "available": request.amount,
            "held": 0,
            "frozen": 0,
            "returned": 0,
            "dispute": None,
        }
        return request.amount

    def order(self, seq):
        grant = self.grants[seq]
        until = grant["until"] if grant["kind"] != "paid" and grant["until"] else None
        far = until is None or until - grant["from"] > FOREVER / 2
        soon = 10**9 if far else until.timestamp()
        return grant["kind"] == "paid", grant["priority"], far, soon, grant["from"], seq

    def take(self, amount, now):
        if amount > self.can_spend(now):
            raise Refused("insufficient_credits")
        taken = {}
        for seq in sorted(self.grants, key=self.order):
            grant = self.grants[seq]
            if grant["from"] <= now < grant["until"]:
                part = max(0, min(amount, grant["available"]))
                grant["available"] -= part
                grant["held"] += part
                amount -= part
                if part:
                    taken[seq] = part
        return taken

    def hold(self, request, now):
        if request.expires_at <= now:
            raise Refused("invalid")
        taken = self.take(request.amount, now)
        self.holds[len(self.kinds) + 1] = {"until": request.expires_at, "taken": taken}
        return request.amount

    def open(self, request, now):
        if request.names in self.ended:
            raise Refused("ended")
        if request.names not in self.holds:
            raise Refused("not_found")
        hold = self.holds[request.names]
        if now is not None and hold["until"] <= now:
            raise Refused("ended")
        return hold

    def extend(self, request, now):
        hold, extra = self.open(request, now), request.amount or 0
        until = request.expires_at or hold["until"]
        if until < hold["until"] or (until == hold["until"] and not extra):
            raise Refused("invalid")
        for seq, part in self.take(extra, now).items():
            hold["taken"][seq] = hold["taken"].get(seq, 0) + part
        hold["until"] = until
        return extra

    def back(self, seq, part):
        grant = self.grants[seq]
        grant["frozen" if grant["dispute"] else "available"] += part

    def end(self, request, hold, spend):
        spent = {}
        for seq in sorted(hold["taken"], key=self.order):
            part = min(spend, hold["taken"][seq])
            spend -= part
            self.grants[seq]["held"] -= hold["taken"][seq]
            self.back(seq, hold["taken"][seq] - part)
            spent[seq] = part
        self.ended.add(request.names)
        return spent

    def capture(self, request, now):
        hold = self.open(request, now)
        total = sum(hold["taken"].values())
        price = max(MINIMUM, math.ceil(request.gpu_ms * MICRO_PER_GPU_S / 1000))
        amount = min(price, total) if request.amount is None else request.amount
        if amount > total:
            raise Refused("insufficient_credits")
        self.captures[len(self.kinds) + 1] = self.end(request, hold, amount)
        return amount

    def release(self, request, now):
        hold = self.open(request, now)
        self.end(request, hold, 0)
        return sum(hold["taken"].values())

    def lapse(self, request, now):
        hold = self.open(request, None)
        if now < hold["until"]:
            raise Refused("not_allowed")
        self.end(request, hold, 0)
        return sum(hold["taken"].values())

    def expiry(self, request, now):
        grant = self.grants[request.names]
        amount = min(grant["available"], self.total("available"))
        if now < grant["until"] or amount <= 0:
            raise Refused("not_allowed")
        grant["available"] -= amount
        return amount

    def reversal(self, request, now):
        if request.names not in self.captures:
            raise Refused("ended" if request.names in self.ended else "not_found")
        spent = self.captures[request.names]
        amount = sum(spent.values()) if request.amount is None else request.amount
        if not 0 < amount <= sum(spent.values()):
            raise Refused("not_allowed")
        left = amount
        for seq in sorted(spent, key=self.order, reverse=True):
            part = min(left, spent[seq])
            spent[seq] -= part
            left -= part
            self.back(seq, part)
        return amount

    def named_grant(self, request):
        if request.names not in self.grants:
            raise Refused("not_found")
        return self.grants[request.names]

    def refund(self, request, now):
        grant = self.named_grant(request)
        if grant["kind"] != "paid" or grant["dispute"]:
            raise Refused("not_allowed")
        if request.amount > min(grant["available"], self.total("available")):
            raise Refused("insufficient_credits")
        grant["available"] -= request.amount
        grant["returned"] += request.amount
        self.refunds[len(self.kinds) + 1] = request.names, request.amount
        return request.amount

    def find(self, request, table):
        if request.names in self.ended:
            raise Refused("ended")
        if request.names not in table:
            raise Refused("not_found")
        self.ended.add(request.names)
        return table[request.names]

    def refund_cancel(self, request, now):
        seq, amount = self.find(request, self.refunds)
        self.grants[seq]["returned"] -= amount
        self.back(seq, amount)
        return amount

    def dispute_open(self, request, now):
        grant = self.named_grant(request)
        left = grant["amount"] - grant["returned"]
        if grant["kind"] != "paid" or grant["dispute"] or request.amount > left:
            raise Refused("not_allowed")
        freeze = max(0, min(request.amount, grant["available"], self.total("available")))
        grant["available"] -= freeze
        grant["frozen"] += freeze
        grant["dispute"] = len(self.kinds) + 1
        self.disputes[len(self.kinds) + 1] = request.names, request.amount
        return request.amount

    def dispute_end(self, request, lost):
        seq, amount = self.find(request, self.disputes)
        grant = self.grants[seq]
        grant["available"] += grant["frozen"] - (amount if lost else 0)
        grant["returned"] += amount if lost else 0
        grant["frozen"], grant["dispute"] = 0, None
        return amount

    def dispute_won(self, request, now):
        return self.dispute_end(request, False)

    def dispute_lost(self, request, now):
        return self.dispute_end(request, True)
