import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// How long a client may take over its part of an exchange, however busy it looks: each deadline is one for the whole
/// part, so that a byte now and then gains nothing.
struct ClientPatience: Sendable {
    /// From the opening of a connection, or the end of the last answer, until a request's head is there. So this is
    /// also how long an unused connection is kept.
    var head = Duration.seconds(60)
    /// From there until the end of the body. The server answers 408 then.
    var body = Duration.seconds(30)
    /// From the beginning of an answer until the last of it is taken.
    var answer = Duration.seconds(60)
    /// Beyond the body's: for a server that is busy to give its answer, and for that to get through to a client that goes
    /// on sending, before it is cut off.
    var linger = Duration.seconds(10)
}

/// Closes connections whose client is too slow.
///
/// Stands behind the HTTP decoder. The framework's own idle timeout cannot do this: it begins anew with every byte of a
/// body, and knows nothing of who does not read.
final class SlowClients: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let patience: ClientPatience
    /// When the client's part has to be done; nil while it is our turn.
    private var deadline: NIODeadline?
    /// Looks at the deadline. Seldom set anew, for most deadlines are moved on long before they come.
    private var timer: (at: NIODeadline, task: Scheduled<Void>)?
    /// Requests of which the head came and the end did not; with pipelining, several are on their way to be answered.
    private var isReading = false
    private var unanswered = 0
    /// Answers that have begun and are not wholly in the client's hands, or at least in the system's.
    private var answering = 0

    init(_ patience: ClientPatience) { self.patience = patience }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { expect(within: patience.head, context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    func channelActive(context: ChannelHandlerContext) {
        expect(within: patience.head, context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            isReading = true
            unanswered += 1
            expect(within: patience.body + patience.linger, context)
        case .body: break
        case .end:
            isReading = false
            expectNext(context)
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head:
            answering += 1
            // An early answer does not prolong the body's time.
            if !isReading { expect(within: patience.answer, context) }
            context.write(data, promise: promise)
        case .body:
            context.write(data, promise: promise)
        case .end:
            let written = promise ?? context.eventLoop.makePromise()
            let this = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            written.futureResult.whenSuccess {
                let (handler, context) = this.value
                handler.unanswered -= 1
                handler.answering -= 1
                handler.expectNext(context)
            }
            context.write(data, promise: written)
        }
    }

    /// What comes next is the rest of a body, whose time runs on; the taking of an answer; our work on one, which takes
    /// the time it takes; or a head.
    private func expectNext(_ context: ChannelHandlerContext) {
        guard !isReading else { return }
        deadline = nil
        if answering > 0 {
            expect(within: patience.answer, context)
        } else if unanswered == 0 {
            expect(within: patience.head, context)
        }
    }

    private func expect(within limit: Duration, _ context: ChannelHandlerContext) {
        let deadline = NIODeadline.now() + TimeAmount(limit)
        self.deadline = deadline
        if let timer, timer.at <= deadline { return }
        timer?.task.cancel()
        look(at: deadline, context)
    }

    private func look(at instant: NIODeadline, _ context: ChannelHandlerContext) {
        let task = context.eventLoop.assumeIsolated().scheduleTask(deadline: instant) {
            self.timer = nil
            guard let deadline = self.deadline else { return }
            if deadline <= .now() { return context.close(promise: nil) }
            self.look(at: deadline, context)
        }
        timer = (instant, task)
    }

    private func stop() {
        deadline = nil
        timer?.task.cancel()
        timer = nil
    }
}
