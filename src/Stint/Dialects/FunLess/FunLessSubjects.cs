using Stint.Security.Tokens;

namespace Stint.Dialects.FunLess;

/// <summary>The routes <c>/v1/admin/subjects</c>.</summary>
internal sealed class FunLessSubjects(SubjectStore subjects)
{
    private const string Form = "{\"subject\":{\"name\":\"NAME\"}}";

    /// <summary><c>GET</c>: everybody with their tokens, as the contract has it; the administrators' are not among them, as theirs are not.</summary>
    public Task ListAsync(HttpContext context) => FunLessAnswer.WriteAsync(context, StatusCodes.Status200OK,
        new FunLessSubjectsAnswer([.. subjects.List().Where(static subject => !subject.IsAdmin).Select(View)]), FunLessJson.Default.FunLessSubjectsAnswer);

    /// <summary><c>POST</c>: one more.</summary>
    public async Task AddAsync(HttpContext context)
    {
        var request = await FunLessAnswer.ReadAsync(context, FunLessJson.Default.FunLessSubjectRequest, Form).ConfigureAwait(false);
        var name = FunLessName.Check((request.Subject ?? throw FunLessRefusal.Bad($"the body must be {Form}")).Name, FunLessName.MaxLength);
        var added = await subjects.UpdateAsync(all => all.TryAdd(name), context.RequestAborted).ConfigureAwait(false) ?? throw FunLessName.Taken();
        await FunLessAnswer.WriteAsync(context, StatusCodes.Status201Created, new FunLessSubjectAnswer(View(added)), FunLessJson.Default.FunLessSubjectAnswer).ConfigureAwait(false);
    }

    private FunLessSubject View(Subject subject) => new(subject.Name, subjects.TokenOf(subject));
}
