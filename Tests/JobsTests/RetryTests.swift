import FoundationEssentials
import Postgres
import Support
import Testing
import Time

@testable import Jobs

/// What becomes of jobs that do not end well, or not yet.
@Suite(.serialized, .timeLimit(.minutes(1))) struct RetryTests {
    private struct Upset: Error, CustomStringConvertible {
        let description = "ada@example.com is upset"
    }

    @Test func `the wait grows fourfold from a second to an hour, give or take a fifth`() {
        var generator = SeededGenerator(seed: 7)
        for (attempt, seconds) in [
            (0, 1), (1, 1), (2, 4), (3, 16), (4, 64), (5, 256), (6, 1024), (7, 3600), (12, 3600),
        ] {
            let range = Duration.milliseconds(seconds * 800)...Duration.milliseconds(seconds * 1200)
            let delays = (0..<200).map { _ in Retry.delay(after: attempt, using: &generator) }
            #expect(delays.allSatisfy(range.contains) && Set(delays).count > 100)
        }
    }

    @Test func `a failing job is tried again later, and set aside after its last try with the error's type only`()
        async throws
    {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            let id = try #require(try await queue.enqueue(of: tenant).first)
            let diary = Diary()
            let handler = JobHandler("work", maximumAttempts: 3) { job in
                diary.note(job)
                throw Upset()
            }
            try await running([queue.makeWorker(handler)]) {
                for (attempt, seconds) in [(1, 1.2), (2, 4.8)] {
                    let before = queue.clock.now()
                    try await eventually {
                        let row = try await queue.row(id)
                        return row?.attempt == attempt && row?.state == "ready"
                    }
                    let row = try await queue.theRow()
                    let wait = row.runAt.microseconds - before.microseconds
                    #expect(row.lastError == "Upset" && wait > 0, "try \(attempt) waits \(wait) µs")
                    #expect(row.runAt <= queue.clock.now() + .seconds(seconds))
                    try await queue.makeDue()
                }
                try await eventually { try await queue.row(id)?.state == "failed" }
            }
            let row = try await queue.theRow()
            #expect(row.attempt == 3 && row.lastError == "Upset")
            #expect(diary.jobs.map(\.attempt) == [1, 2, 3])
        }
    }

    @Test func `a job of unknown kind is left to a newer program, and no try is counted`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant, "from the future")
            let now = queue.clock.now()
            try await running([queue.makeWorker()]) {
                try await eventually { try await queue.theRow().runAt > now + .seconds(25) }
            }
            let row = try await queue.theRow()
            #expect(row.state == "ready" && row.attempt == 0 && row.lastError == nil)

            try await queue.makeDue()
            let diary = Diary()
            try await running([queue.makeWorker(diary.handler("from the future"))]) {
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(diary.jobs.map(\.attempt) == [1])
        }
    }

    @Test func `not yet is no failure`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant)
            let diary = Diary()
            let handler = JobHandler("work", maximumAttempts: 2) { job in
                diary.note(job) < 6 ? .again(at: queue.past) : .done
            }
            try await running([queue.makeWorker(handler)]) {
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(diary.jobs.map(\.attempt) == [1, 1, 1, 1, 1, 1])
            #expect(diary.jobs.map(\.lease) == [1, 2, 3, 4, 5, 6])
        }
    }

    @Test func `a job that takes its workers down is set aside like one that fails`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant)
            for _ in 0..<2 {
                _ = try await queue.claim(expired: true)
                try await queue.rescue()
            }
            let diary = Diary()
            let handler = JobHandler("work", maximumRescues: 2) { job in
                diary.note(job)
                return .done
            }
            try await running([queue.makeWorker(handler)]) {
                try await eventually { try await queue.theRow().state == "failed" }
            }
            #expect(try await queue.theRow().lastError == "LeaseRanOut")
            #expect(diary.count == 0)
        }
    }

    @Test func `a job that its worker only died under has all its tries, and waits no longer for them`() async throws {
        try await QueueDatabase.run { queue in
            let tenant = try await queue.tenant()
            try await queue.enqueue(of: tenant)
            for _ in 0..<5 {
                _ = try await queue.claim(expired: true)
                try await queue.rescue()
            }
            #expect(try await queue.theRow().attempt == 0)
            let diary = Diary()
            let handler = JobHandler("work", maximumAttempts: 2) { job in
                if diary.note(job) == 1 { throw Upset() }
                return .done
            }
            try await running([queue.makeWorker(handler)]) {
                try await eventually { try await queue.jobs() == 0 }
            }
            #expect(diary.jobs.map(\.attempt) == [1, 2])
            #expect(diary.jobs.map(\.rescues) == [5, 0])
        }
    }
}
