import Aftercare

/// An error as the command line prints it: in one line.
struct CleanFailure: Error, CustomStringConvertible {
    let description: String

    init(_ error: any Error) {
        description = Operator.explanation(of: error)
    }
}
